"""The launch script of the cloud writes the same objects after another prefix."""


def run(input):
    print('::CHARM_EVENT::{"type": "thinking", "content": "from a launch script"}')
    return "done"
