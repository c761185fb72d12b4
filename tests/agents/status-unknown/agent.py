"""Any status but `success` and `suspended` is a failure."""


def run(input):
    return {"status": "maybe", "output": "half done", "message": "not sure"}
