//! The callback handler, driven by hand.
//! The one rule: whatever an agent gives a hook, the hook does not fail.

use crate::harness::{Agent, pythons};

const NONE: &str = r#"j:{"result":{"output":null,"raw_type":"NoneType","status":"success"},"type":"result"}"#;

#[track_caller]
fn tells(body: &str, expected: &[&str]) {
    let source = format!("import asyncio, threading\ndef main(callbacks):\n  h = callbacks[0]\n  {body}\n");
    let expected: Vec<_> = expected.iter().copied().chain([NONE]).collect();
    for python in pythons() {
        Agent::new(python, &source).run("{}").tells(&expected);
    }
}

#[test]
fn hand_made_calls_get_ids_and_nest() {
    tells(
        "h.on_tool_start({'name': 'outer'}, 'a'); h.on_tool_start({'name': 'inner'}, {'q': 1}); h.on_tool_end([1]); h.on_tool_error(ValueError('bad'))",
        &[
            r#"j:{"call":"h1","input":"a","tool":"outer","type":"tool_start"}"#,
            r#"j:{"call":"h2","input":"{'q': 1}","parent":"h1","tool":"inner","type":"tool_start"}"#,
            r#"j:{"call":"h2","output":"[1]","tool":"inner","type":"tool_end"}"#,
            r#"j:{"call":"h1","error":"bad","error_type":"ValueError","tool":"outer","type":"tool_error"}"#,
        ],
    );
}

#[test]
fn an_error_that_was_raised_tells_where_and_one_that_is_a_text_tells_its_text() {
    let source = "
import decimal
def broken():
    raise decimal.InvalidOperation('odd')
def main(callbacks):
    h = callbacks[0]
    h.on_tool_start({'name': 't'}, '')
    try:
        broken()
    except ArithmeticError as error:
        h.on_tool_error(error)
    h.on_tool_start({'name': 't'}, '')
    h.on_tool_error('as a text')
";
    for python in pythons() {
        let seen = Agent::new(python, source).run("{}");
        let [_, raised, _, text, _] = &seen.told[..] else { panic!("{seen:?}") };
        let raised: serde_json::Value = serde_json::from_str(&raised["j:".len()..]).unwrap();
        assert_eq!(
            (&raised["error"], &raised["error_type"]),
            (&"odd".into(), &"decimal.InvalidOperation".into())
        );
        let traceback = raised["traceback"].as_str().unwrap();
        assert!(traceback.starts_with("Traceback (most recent call last):\n"), "{traceback}");
        assert!(
            traceback.contains(", in broken\n") && traceback.ends_with("decimal.InvalidOperation: odd\n"),
            "{traceback}"
        );
        assert_eq!(text, r#"j:{"call":"h2","error":"as a text","tool":"t","type":"tool_error"}"#);
    }
}

#[test]
fn names_are_found_wherever_they_are() {
    tells(
        "h.on_tool_start({}, None, name='kw'); h.on_tool_end(None); h.on_tool_start(None, 5); h.on_tool_end('\\ud800'); h.on_tool_end('alone')",
        &[
            r#"j:{"call":"h1","input":"None","tool":"kw","type":"tool_start"}"#,
            r#"j:{"call":"h1","output":"None","tool":"kw","type":"tool_end"}"#,
            r#"j:{"call":"h2","input":"5","tool":"Unknown Tool","type":"tool_start"}"#,
            "j:{\"call\":\"h2\",\"output\":\"\u{fffd}\",\"tool\":\"Unknown Tool\",\"type\":\"tool_end\"}",
            r#"j:{"call":"h3","output":"alone","tool":"Unknown Tool","type":"tool_end"}"#,
        ],
    );
}

#[test]
fn a_token_without_text_is_json_but_a_piece_of_a_tools_arguments_is_nothing() {
    tells(
        "h.on_llm_new_token({'a': 1}); h.on_llm_new_token([1, None]); h.on_llm_new_token({}); h.on_llm_new_token([])",
        &[r#"t::{"a":1}"#, "t::[1,null]"],
    );
    tells(
        "h.on_llm_new_token([{'type': 'input_json_delta', 'partial_json': '{'}]); h.on_llm_new_token(['x', {'text': 'y'}])",
        &["t::xy"],
    );
}

#[test]
fn tokens_belong_to_the_open_model_call_or_to_none() {
    tells(
        "h.on_llm_new_token('a'); h.on_llm_new_token(''); h.on_llm_new_token(None); h.on_llm_new_token(token='k')\n  \
        h.on_llm_start({'name': 'm'}, ['p']); h.on_llm_new_token('b'); h.on_llm_end(None); h.on_llm_new_token([{'text': 'c'}, 5]); h.on_llm_new_token(7)",
        &[
            "t::a",
            "t::k",
            r#"j:{"call":"h1","input":"p","type":"llm_start"}"#,
            "t:h1:b",
            r#"j:{"call":"h1","type":"llm_end"}"#,
            "t::c",
            "t::7",
        ],
    );
}

#[test]
fn given_run_ids_keep_parallel_tools_apart() {
    tells(
        "h.on_tool_start({'name': 'a'}, '1', run_id='A'); h.on_tool_start({'name': 'b'}, '2', run_id='B')\n  \
        h.on_chain_start({}, {}, run_id='C', parent_run_id='B'); h.on_tool_start({'name': 'c'}, '3', run_id='D', parent_run_id='C')\n  \
        h.on_tool_end('x', run_id='A'); h.on_tool_error('y', run_id='D'); h.on_tool_end('z', run_id='B')",
        &[
            r#"j:{"call":"A","input":"1","tool":"a","type":"tool_start"}"#,
            r#"j:{"call":"B","input":"2","tool":"b","type":"tool_start"}"#,
            r#"j:{"call":"D","input":"3","parent":"B","tool":"c","type":"tool_start"}"#,
            r#"j:{"call":"A","output":"x","tool":"a","type":"tool_end"}"#,
            r#"j:{"call":"D","error":"y","tool":"c","type":"tool_error"}"#,
            r#"j:{"call":"B","output":"z","tool":"b","type":"tool_end"}"#,
        ],
    );
}

#[test]
fn threads_and_tasks_close_their_own_calls() {
    tells(
        "h.on_tool_start({'name': 'main'}, '')\n  \
        t = threading.Thread(target=lambda: (h.on_tool_start({'name': 'thread'}, ''), h.on_tool_end('t')))\n  \
        t.start(); t.join(); h.on_tool_end('m')",
        &[
            r#"j:{"call":"h1","input":"","tool":"main","type":"tool_start"}"#,
            r#"j:{"call":"h2","input":"","tool":"thread","type":"tool_start"}"#,
            r#"j:{"call":"h2","output":"t","tool":"thread","type":"tool_end"}"#,
            r#"j:{"call":"h1","output":"m","tool":"main","type":"tool_end"}"#,
        ],
    );
    tells(
        "async def one(n, wait):\n    h.on_tool_start({'name': n}, ''); await asyncio.sleep(0); await asyncio.sleep(wait); h.on_tool_end(n)\n  \
        async def both(): await asyncio.gather(one('a', 0.05), one('b', 0))\n  \
        asyncio.run(both())",
        &[
            r#"j:{"call":"h1","input":"","tool":"a","type":"tool_start"}"#,
            r#"j:{"call":"h2","input":"","tool":"b","type":"tool_start"}"#,
            r#"j:{"call":"h2","output":"b","tool":"b","type":"tool_end"}"#,
            r#"j:{"call":"h1","output":"a","tool":"a","type":"tool_end"}"#,
        ],
    );
}

#[test]
fn an_action_is_told_with_whatever_it_has() {
    tells(
        "class A: tool = 't'; tool_input = {'q': 1}\n  h.on_agent_action(A()); h.on_agent_action(None)",
        &[
            r#"j:{"tool":"t","tool_input":"{'q': 1}","type":"agent_action"}"#,
            r#"j:{"tool":"Unknown","tool_input":"","type":"agent_action"}"#,
        ],
    );
}

#[test]
fn hooks_without_a_record_and_unknown_ones_are_accepted() {
    tells(
        "import copy; copy.deepcopy(h).on_text('x'); h.on_chain_start(None, None); h.on_chain_end(1); h.on_of_the_future(a=1); \
        print(h.ignore_llm, h.ignore_of_the_future, h.raise_error, hasattr(h, 'other'), len({h}))",
        &["o:False True False False 1\n"],
    );
}

#[test]
fn an_argument_that_is_too_large_costs_neither_the_start_nor_its_other_arguments() {
    tells(
        "h.on_tool_start({'name': 'f'}, 'n', inputs={'n': 10**400, 'f': float('inf'), 'm': 2}); h.on_tool_end('1')\n  \
        h.on_tool_start({'name': 'f'}, 'n', inputs={'df': 'a' * (70 << 20)}); h.on_tool_end('\\U0001f600' * (10 << 20))\n  \
        h.on_llm_start({'name': 'm'}, [[-2**63, 2**64]]); h.on_llm_end(None)",
        &[
            &format!(
                r#"j:{{"arguments":{{"f":"inf","m":2,"n":"1{}"}},"call":"h1","input":"n","tool":"f","type":"tool_start"}}"#,
                "0".repeat(400)
            ),
            r#"j:{"call":"h1","output":"1","tool":"f","type":"tool_end"}"#,
            r#"j:{"arguments":"[left out: 73400329 bytes]","call":"h2","input":"n","tool":"f","type":"tool_start"}"#,
            r#"j:{"call":"h2","output":"[left out: 41943042 bytes]","tool":"f","type":"tool_end"}"#,
            r#"j:{"call":"h3","input":[-9223372036854775808,"18446744073709551616"],"type":"llm_start"}"#,
            r#"j:{"call":"h3","type":"llm_end"}"#,
        ],
    );
}

#[test]
fn what_an_object_of_the_agent_raises_costs_neither_the_agent_nor_the_event() {
    let source = "
class Bad(dict):
    def items(self): raise RuntimeError('no items')
    def get(self, *_): raise RuntimeError('no get')
    def __repr__(self): raise RuntimeError('no repr')
class Odd(Exception):
    def __str__(self): raise RuntimeError('no str')
    @property
    def type(self): raise RuntimeError('no type')
    tool = content = response_metadata = generations = llm_output = page_content = type
class Blocks(list):
    def __iter__(self): raise RuntimeError('no blocks')
def main(callbacks):
    h, bad, odd = callbacks[0], Bad(a=1), Odd()
    h.on_tool_start(bad, bad, inputs=bad)
    h.on_tool_end(odd)
    h.on_tool_start({'name': 't'}, '', run_id=[])
    h.on_tool_error(odd)
    h.on_agent_action(odd)
    h.on_llm_new_token(Blocks('a'))
    h.on_chat_model_start(bad, [odd], metadata=bad, invocation_params=bad)
    h.on_llm_end(odd)
    h.on_retriever_start(bad, odd)
    h.on_retriever_end(odd)
    h.on_retriever_end([odd])
    h.on_llm_error(odd, 1, 2, 3)
    return bad
";
    for python in pythons() {
        let seen = Agent::new(python, source).run("{}");
        let told: Vec<serde_json::Value> =
            seen.told.iter().map(|line| serde_json::from_str(&line["j:".len()..]).unwrap()).collect();
        let mut kinds: Vec<_> = told.iter().map(|record| record["type"].as_str().unwrap()).collect();
        kinds.retain(|kind| *kind != "log");
        let expected = [
            "tool_start",
            "tool_end",
            "tool_start",
            "tool_error",
            "llm_start",
            "llm_end",
            "retriever_start",
            "retriever_end",
            "retriever_end",
            "result",
        ];
        assert_eq!(kinds, expected, "{told:#?}");
        assert_eq!(told.last().unwrap()["result"]["status"], "success", "{told:#?}");
    }
}
