"""A result that is longer than 80 columns, with what some terminals take for markup."""


def run(input):
    return "[bold]not markup[/bold] " + "a long line of text " * 12 + "\nand \"another\" line"
