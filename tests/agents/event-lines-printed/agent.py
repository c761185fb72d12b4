"""`print` hands over the text and the newline one after the other."""


def run(input):
    print('__CHARM_EVENT__{"type": "thinking", "content": "one"}')
    print('__CHARM_EVENT__{"type": "thinking", "content": "two"}')
    print("a print")
    return "done"
