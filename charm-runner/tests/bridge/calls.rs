//! How an agent is called, and what becomes of what it returns.
//! The one rule: one agent a line, with the result it must give on every Python.

use charm_runner::bridge::PythonAdapter;

use crate::harness::{Agent, Seen, pythons};

const INPUTS: &str = r#"{"input":"hi","x":1}"#;

fn each(source: &str, inputs: &str, check: impl Fn(Seen)) {
    for python in pythons() {
        check(Agent::new(python, source).run(inputs));
    }
}

#[track_caller]
fn returns(source: &str, output: &str, raw_type: &str) {
    returns_for(INPUTS, source, output, raw_type);
}

#[track_caller]
fn returns_for(inputs: &str, source: &str, output: &str, raw_type: &str) {
    let result = format!(r#"{{"output":{output},"raw_type":"{raw_type}","status":"success"}}"#);
    each(source, inputs, |seen| seen.gives(&result));
}

#[test]
fn parameters_are_given_by_name() {
    returns("def main(inputs): return inputs", r#"{"input":"hi","x":1}"#, "dict");
    returns("def main(input, x=5, y=7): return [input, x, y]", r#"["hi",1,7]"#, "list");
    returns("def main(*, input, x): return [input, x]", r#"["hi",1]"#, "list");
    returns("def main(): return 'nothing'", r#""nothing""#, "str");
    returns("main = lambda input: input", r#""hi""#, "str");
}

#[test]
fn star_parameters_get_all_inputs_by_name_and_none_by_place() {
    returns("def main(**kw): return kw", r#"{"input":"hi","x":1}"#, "dict");
    returns("def main(input, **kw): return [input, kw]", r#"["hi",{"x":1}]"#, "list");
    returns("def main(inputs, **kw): return sorted(kw)", r#"["input","x"]"#, "list");
    returns("def main(*args, **kw): return [args, kw]", r#"[[],{"input":"hi","x":1}]"#, "list");
    returns("def main(callbacks, **kw): return [len(callbacks), kw]", r#"[1,{"input":"hi","x":1}]"#, "list");
}

#[test]
fn positional_only_parameters_are_filled_in_order() {
    returns("def main(inputs, /): return inputs", r#"{"input":"hi","x":1}"#, "dict");
    returns("def main(input, /, x): return [input, x]", r#"["hi",1]"#, "list");
    returns("def main(input, y=3, /): return [input, y]", r#"["hi",3]"#, "list");
}

#[test]
fn wrapped_functions_are_asked_for_what_they_wrap() {
    let wrapped = "import functools\n\
        def d(f):\n  @functools.wraps(f)\n  def w(*a, **k): return [a, k, f(*a, **k)]\n  return w\n\
        @d\ndef main(input, y=3): return [input, y]";
    returns(wrapped, r#"[[],{"input":"hi"},["hi",3]]"#, "list");
    let partial = "import functools\ndef f(a, input): return [a, input]\nmain = functools.partial(f, 1)";
    returns(partial, r#"[1,"hi"]"#, "list");
}

#[test]
fn a_missing_parameter_is_a_signature_error() {
    let message =
        "Function signature mismatch for 'main': main() missing 1 required positional argument: 'z'";
    let result = format!(r#"{{"error_type":"SignatureError","message":"{message}","status":"error"}}"#);
    each("def main(input, z): return 1", INPUTS, |seen| seen.gives(&result));
}

#[test]
fn a_class_is_instantiated_once_also_when_its_call_fails() {
    let source = "class main:\n  def __init__(self): print('made')\n  def run(self, z): pass";
    each(source, INPUTS, |seen| {
        assert_eq!(seen.told.len(), 2, "{seen:?}");
        assert_eq!(seen.told[0], "o:made\n");
        assert!(seen.told[1].contains("Function signature mismatch for 'run': "), "{seen:?}");
    });
}

#[test]
fn a_type_error_inside_the_agent_is_the_agents() {
    let result = r#"{"error_type":"TypeError","message":"Agent Execution Failed: inside","status":"error"}"#;
    each("def main(input): raise TypeError('inside')", INPUTS, |seen| seen.gives(result));
}

#[test]
fn classes_are_instantiated_and_objects_used() {
    returns("class main:\n  def invoke(self, inputs): return ['i', inputs['x']]", r#"["i",1]"#, "list");
    returns("class main:\n  def run(self, input): return ['r', input]", r#"["r","hi"]"#, "list");
    returns(
        "class A:\n  def run(self, x): return x\n  def invoke(self, input): return input\nmain = A()",
        r#""hi""#,
        "str",
    );
    returns("class A:\n  def __call__(self, x): return x\nmain = A()", "1", "int");
    returns("class A:\n  def go(self, x): return x\nmain = A().go", "1", "int");
    returns("class main:\n  async def ainvoke(self, x): return x", "1", "int");
}

#[test]
fn coroutines_and_awaitables_are_awaited() {
    returns("async def main(inputs): return inputs", r#"{"input":"hi","x":1}"#, "dict");
    returns("async def f(): return 5\ndef main(): return f()", "5", "int");
    returns("class main:\n  async def invoke(self, x): return x", "1", "int");
    let custom = "class A:\n  def __await__(self):\n    yield\n    return 'w'\ndef main(): return A()";
    returns(custom, r#""w""#, "str");
}

#[test]
fn what_has_a_status_is_the_result_as_it_is() {
    each("def main(): return {'status': 'success', 'output': 1, 'extra': [2]}", INPUTS, |seen| {
        seen.gives(r#"{"extra":[2],"output":1,"status":"success"}"#);
    });
    each(
        "def main(): return {'status': 'suspended', 'next_step': ('a',), 'charm_state': {'k': 1}}",
        INPUTS,
        |seen| {
            seen.gives(r#"{"charm_state":{"k":1},"next_step":["a"],"status":"suspended"}"#);
        },
    );
    each("def main(): return {'status': 'error'}", INPUTS, |seen| seen.gives(r#"{"status":"error"}"#));
    returns("def main(): return {'output': 'o'}", r#"{"output":"o"}"#, "dict");
}

#[test]
fn inputs_that_are_no_object_are_wrapped() {
    returns_for(r#""text""#, "def main(inputs): return inputs", r#"{"input":"text"}"#, "dict");
    returns_for("[1,2]", "def main(inputs): return inputs", r#"{"input":[1,2]}"#, "dict");
    returns_for("null", "def main(inputs): return inputs", "{}", "dict");
}

#[test]
fn inputs_arrive_as_json_loads_would_give_them() {
    let inputs = r#"{"b":[1,-1,2147483648,-9007199254740993,18446744073709551615,0.5,1e300],"a":{"é\n\u0000":"\ud83d\ude00"},"c":[true,false,null]}"#;
    let source =
        "import json\ndef main(inputs): return [repr(inputs) == repr(json.loads(TEXT)), list(inputs)]\n";
    returns_for(inputs, &format!("TEXT = r'''{inputs}'''\n{source}"), r#"[true,["b","a","c"]]"#, "list");
}

#[test]
fn what_json_has_no_word_for_becomes_readable() {
    returns("def main(): return None", "null", "NoneType");
    returns("def main(): return (1, 2)", "[1,2]", "tuple");
    returns(
        "def main(): return {1: 2, None: 3, (1, 2): 4, True: 5}",
        r#"{"(1, 2)":4,"1":5,"null":3}"#,
        "dict",
    );
    returns("def main(): return [float('nan'), float('inf'), 1.5]", "[null,null,1.5]", "list");
    returns("def main(): return b'ab\\xff'", "\"ab\u{fffd}\"", "bytes");
    returns("def main(): return {3}", "[3]", "set");
    returns("class A:\n  def __str__(self): return 'an A'\ndef main(): return A()", r#""an A""#, "A");
    returns(
        "class A:\n  def __str__(self): 1 / 0\ndef main(): return [A()]",
        r#"["<A: str() failed with ZeroDivisionError>"]"#,
        "list",
    );
    returns(
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n  a: int = 1\ndef main(): return A()",
        r#"{"a":1}"#,
        "A",
    );
    returns("def main():\n  d = {}\n  d['d'] = d\n  return d", r#"{"d":"<circular>"}"#, "dict");
    returns("def main(): return 'a\\ud800b\"\\\\\\n\\x01é'", "\"a\u{fffd}b\\\"\\\\\\n\\u0001é\"", "str");
    returns("def main(): return ['a\\ud800b']", "[\"a\u{fffd}b\"]", "list");
}

#[test]
fn a_deep_result_is_cut_to_what_readers_take() {
    each("def main():\n  d = 1\n  for _ in range(500): d = [d]\n  return d", INPUTS, |seen| {
        assert_eq!(seen.told.len(), 1, "{seen:?}");
        assert!(seen.told[0].contains("<class 'list'>"), "{seen:?}");
    });
}

#[test]
fn generators_are_streamed() {
    let expected = |kind: &str, output: &str| {
        format!(
            r#"j:{{"result":{{"output":{output},"raw_type":"{kind}","status":"success"}},"type":"result"}}"#
        )
    };
    each("def main():\n  yield 'a'\n  yield ''\n  yield 'é'", INPUTS, |seen| {
        seen.tells(&["t::a", "t::é", &expected("generator", r#""aé""#)]);
    });
    each("async def main():\n  yield 'a'\n  yield 'b'", INPUTS, |seen| {
        seen.tells(&["t::a", "t::b", &expected("async_generator", r#""ab""#)]);
    });
    each("async def main():\n  async def g():\n    yield 'a'\n  return g()", INPUTS, |seen| {
        seen.tells(&["t::a", &expected("async_generator", r#""a""#)]);
    });
    each("def main():\n  yield 'a'\n  yield {'n': 1}", INPUTS, |seen| {
        seen.tells(&["t::a", &expected("generator", r#"["a",{"n":1}]"#)]);
    });
    let mixed = "async def main():\n  yield 'a'\n  yield {'n': 1}\n  yield None\n  yield 'b'";
    each(mixed, INPUTS, |seen| {
        seen.tells(&["t::a", "t::b", &expected("async_generator", r#"["a",{"n":1},"b"]"#)]);
    });
    each("async def main():\n  yield 1\n  yield {}", INPUTS, |seen| {
        seen.tells(&[&expected("async_generator", "[1,{}]")]);
    });
    each("def main():\n  yield 'a'\n  return {'status': 'success', 'output': 'z'}", INPUTS, |seen| {
        seen.tells(&["t::a", r#"j:{"result":{"output":"z","status":"success"},"type":"result"}"#]);
    });
}

#[test]
fn the_agent_sees_a_plain_process() {
    let source = "import os, sys\n\
        def main():\n  here = os.getcwd()\n  main = vars(sys.modules['__main__'])\n\
        \x20 return [sys.path[0] == here, sys.argv == [here + '/agent.py'], __name__, '' in sys.path,\n\
        \x20         [k for k in os.environ if k.startswith('CHARM_BRIDGE')], [k for k in main if k[:2] != '__']]";
    returns(source, r#"[true,true,"agent",false,[],[]]"#, "list");
}

#[test]
fn a_plain_agent_costs_no_import() {
    let heavy =
        "('json', 're', 'inspect', 'asyncio', 'importlib.util', 'typing', 'threading', 'struct', '_json')";
    let source = format!(
        "import sys\nBEFORE = [m for m in {heavy} if m in sys.modules]\ndef main(callbacks):\n  callbacks[0].on_llm_new_token('t')\n  return str(BEFORE == [m for m in {heavy} if m in sys.modules])"
    );
    each(&source, INPUTS, |seen| {
        seen.tells(&[
            "t::t",
            r#"j:{"result":{"output":"True","raw_type":"str","status":"success"},"type":"result"}"#,
        ]);
    });
}

#[test]
fn custom_is_another_word_for_python() {
    assert_eq!("custom".parse(), Ok(PythonAdapter::Python));
    assert!("node".parse::<PythonAdapter>().is_err());
}

#[test]
fn a_damaged_cache_is_replaced() {
    for python in pythons() {
        let cache = tempfile::tempdir().expect("a temporary directory can be made");
        let agent = Agent::new(python, "def main(input): return input")
            .launched(|launch| launch.cache(Some(cache.path().join("new"))));
        let expected = r#"{"output":"hi","raw_type":"str","status":"success"}"#;
        agent.run(INPUTS).gives(expected);
        let kept = std::fs::read_dir(cache.path().join("new")).expect("the cache was made");
        let mut kept = kept.map(|file| file.expect("it can be read").path());
        let kept = kept.find(|file| file.to_string_lossy().ends_with("-core")).expect("bytecode was kept");
        let whole = std::fs::read(&kept).expect("it can be read");
        std::fs::write(&kept, &whole[..100]).expect("it can be damaged");
        agent.run(INPUTS).gives(expected);
        assert_eq!(std::fs::read(&kept).expect("it can be read").len(), whole.len());
        agent.run(INPUTS).gives(expected);
    }
}

#[test]
fn a_cache_that_others_can_write_to_is_left_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    for python in pythons() {
        let cache = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o777)).expect("it is ours");
        let agent = Agent::new(python, "def main(input): return input")
            .launched(|launch| launch.cache(Some(cache.path().to_owned())));
        agent.run(INPUTS).gives(r#"{"output":"hi","raw_type":"str","status":"success"}"#);
        assert_eq!(std::fs::read_dir(cache.path()).expect("it is there").count(), 0);
    }
}
