"""`inputs` is the whole input object."""


def run(inputs):
    return f"{sorted(inputs)}: {inputs['city']}, {inputs['days']} days"
