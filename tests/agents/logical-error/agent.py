"""A result with `status: error` is a failed run without an exception."""


def run(input):
    return {"status": "error", "error_type": "QuotaError", "message": "the quota is used up"}
