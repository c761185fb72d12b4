"""An object with `_charm_render_type` is shown by the client as that component."""


def run(input):
    return {"_charm_render_type": "chart", "title": "Wärme", "points": [[0, 1.5], [1, -2]]}
