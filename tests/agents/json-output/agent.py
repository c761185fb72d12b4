"""An object without `_charm_render_type` is a result in JSON."""


def run(input):
    return {"answer": 42, "nested": {"list": [1, 2.5, None, True], "text": "ü"}}
