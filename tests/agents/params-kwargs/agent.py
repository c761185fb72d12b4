"""`**kwargs` are all the inputs."""


def run(**kwargs):
    return ", ".join(f"{name}={value!r}" for name, value in sorted(kwargs.items()))
