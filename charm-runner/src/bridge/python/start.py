def _():
    import _io, marshal, os, sys
    request = marshal.loads(_io.FileIO(int(os.environ.pop("CHARM_BRIDGE_REQUEST"))).readall())
    try:
        kept = request["cache"] and marshal.loads(_io.FileIO("%s-%s-%x" % (request["cache"], sys.implementation.cache_tag, sys.hexversion)).readall())
    except Exception:
        kept = None
    request["kept"] = kept
    exec(marshal.loads(kept["core"]) if kept else compile(request["parts"]["core"], "<charm-bridge>", "exec"), {"__name__": "charm_bridge", "request": request})
_()
