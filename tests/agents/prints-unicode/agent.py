"""Text in many scripts, on the way out and in the result."""


def run(input):
    print("blåbær 漢字 🧑‍🚀 \u202eback\u202c")
    print("quote \" backslash \\ tab \t control \x07")
    return f"echo {input} Ω ñ 👩‍💻"
