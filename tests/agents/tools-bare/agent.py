"""Hand-made calls as the protocol describes them, without LangChain's keywords."""


def run(input, callbacks):
    for handler in callbacks:
        handler.on_tool_start({"name": "search"}, "query: x")
        handler.on_tool_end("result")
        handler.on_llm_new_token("tok")
    return "done"
