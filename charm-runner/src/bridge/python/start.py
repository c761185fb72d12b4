def _():
    import _io, marshal, os, sys
    if sys.version_info < (3, 9):
        import json, struct
        said = b"j" + json.dumps({"type": "unfit", "version": "%d.%d.%d" % sys.version_info[:3], "python": sys.executable}).encode()
        os.write(int(os.environ["CHARM_BRIDGE_FD"]), struct.pack("<I", len(said)) + said)
        sys.exit(1)
    request = marshal.loads(_io.FileIO(int(os.environ.pop("CHARM_BRIDGE_REQUEST"))).readall())
    kept = request["kept"] = request["cache"] and "%s-%s-%x-" % (request["cache"], sys.implementation.cache_tag, sys.hexversion)
    fresh = request["fresh"] = {}
    def code(name):
        try:
            if kept: return marshal.loads(_io.FileIO(kept + name).readall())
        except Exception: pass
        return fresh.setdefault(name, compile(request["parts"][name], "<charm-bridge>", "exec"))
    exec(code("core"), {"__name__": "charm_bridge", "request": request, "code": code})
_()
