//! LangChain and LangGraph agents in the test environment, and crews.
//! The one rule: models are scripted; nothing leaves the machine.

use charm_runner::bridge::PythonAdapter::{self, CrewAi, LangChain, LangGraph, Python};

use crate::harness::{Agent, Seen, framework_python, pythons};

const INPUTS: &str = r#"{"input":"hi","x":1}"#;

const IMPORTS: &str = "
from uuid import UUID
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.output_parsers import StrOutputParser
from langchain_core.tools import tool
from langchain_core.retrievers import BaseRetriever
from langchain_core.documents import Document
@tool
def search(q: str) -> str:
    'Looks something up.'
    return 'found ' + q
";

const GRAPH: &str = "
from langgraph.graph import StateGraph, START, END, MessagesState
from langgraph.checkpoint.memory import MemorySaver
from langgraph.types import interrupt
def graph(node):
    g = StateGraph(MessagesState); g.add_node('n', node); g.add_edge(START, 'n'); g.add_edge('n', END); return g
";

/// Runs in the test environment, if there is one, with run ids replaced by `#1`, `#2`... in order of appearance.
fn run(adapter: PythonAdapter, source: &str) -> Option<Seen> {
    let python = framework_python()?;
    let agent = Agent::of(&python, adapter, "agent:main", &format!("{IMPORTS}{GRAPH}{source}"));
    Some(agent.run(INPUTS).with_numbered_ids())
}

#[track_caller]
fn tells(adapter: PythonAdapter, source: &str, expected: &[&str]) {
    if let Some(seen) = run(adapter, source) {
        seen.tells(expected);
    }
}

#[track_caller]
fn gives(adapter: PythonAdapter, source: &str, result: &str) {
    tells(adapter, source, &[&format!(r#"j:{{"result":{result},"type":"result"}}"#)]);
}

fn said(text: &str) -> String {
    format!(r#"{{"output":"{text}","status":"success"}}"#)
}

#[test]
fn a_chain_tells_its_model_call() {
    tells(
        LangChain,
        "main = ChatPromptTemplate.from_template('say {input}') | FakeListChatModel(responses=['hey']) | StrOutputParser()",
        &[
            r##"j:{"call":"#1","input":[{"content":"say hi","role":"user"}],"provider":"fakelistchatmodel","type":"llm_start"}"##,
            r##"j:{"call":"#1","output":{"content":"hey","role":"assistant"},"type":"llm_end"}"##,
            r#"j:{"result":{"output":"hey","status":"success"},"type":"result"}"#,
        ],
    );
}

#[test]
fn a_streamed_model_tells_its_tokens_also_under_asyncio() {
    let expected = [
        r##"j:{"call":"#1","input":[{"content":"x","role":"user"}],"provider":"fakelistchatmodel","type":"llm_start"}"##,
        "t:#1:h",
        "t:#1:o",
        r##"j:{"call":"#1","output":{"content":"ho","role":"assistant"},"type":"llm_end"}"##,
        r#"j:{"result":{"output":"ho","raw_type":"str","status":"success"},"type":"result"}"#,
    ];
    let body = "m = FakeListChatModel(responses=['ho'])\n";
    let sync = "def main(callbacks): return ''.join(c.content for c in m.stream('x', config={'callbacks': callbacks}))";
    tells(Python, &format!("{body}{sync}"), &expected);
    let asynchronous = "async def main(callbacks): return ''.join([c.content async for c in m.astream('x', config={'callbacks': callbacks})])";
    tells(Python, &format!("{body}{asynchronous}"), &expected);
    // A model checks the class of the handlers it is built with.
    let built = "def main(callbacks): return ''.join(c.content for c in FakeListChatModel(responses=['ho'], callbacks=callbacks).stream('x'))";
    tells(Python, built, &expected);
}

#[test]
fn usage_and_model_have_one_set_of_names() {
    let source = "
def main(callbacks):
    usage = {'input_tokens': 5, 'output_tokens': 7, 'total_tokens': 12,
             'input_token_details': {'cache_read': 2, 'cache_creation': 1}, 'output_token_details': {'reasoning': 3}}
    answer = AIMessage('yes', usage_metadata=usage, response_metadata={'model_name': 'm-1'})
    GenericFakeChatModel(messages=iter([answer]), metadata={'ls_model_name': 'm', 'ls_provider': 'p'}).invoke('q', config={'callbacks': callbacks})
    from langchain_core.outputs import LLMResult, Generation
    h = callbacks[0]
    h.on_llm_start({'id': ['langchain', 'llms', 'x'], 'kwargs': {'model': 'k'}}, ['p'])
    h.on_llm_end(LLMResult(generations=[[Generation(text='t')]], llm_output={'token_usage': {'prompt_tokens': 1, 'completion_tokens': 2}}))
    claude = {'input_tokens': 3, 'output_tokens': 2, 'cache_read_input_tokens': 10, 'cache_creation_input_tokens': 20}
    h.on_llm_start({}, ['c'])
    h.on_llm_end(LLMResult(generations=[[Generation(text='t')]], llm_output={'usage': claude}))
    h.on_llm_start({}, ['a', 'b'], invocation_params={'model_name': 'i', '_type': 'prov', 'temperature': 0, 'max_completion_tokens': 9, 'top_k': -1, 'seed': True, 'stop': ['secret']}, metadata={'ls_temperature': 0.5})
    h.on_llm_error(ValueError('no'))
";
    tells(
        Python,
        source,
        &[
            r##"j:{"call":"#1","input":[{"content":"q","role":"user"}],"model":"m","provider":"p","type":"llm_start"}"##,
            r##"j:{"call":"#1","model":"m-1","output":{"content":"yes","role":"assistant"},"type":"llm_end","usage":{"cache_creation":1,"cache_read":2,"input_tokens":5,"output_tokens":7,"reasoning":3,"total_tokens":12}}"##,
            r#"j:{"call":"h1","input":"p","model":"k","provider":"langchain","type":"llm_start"}"#,
            r#"j:{"call":"h1","output":"t","type":"llm_end","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}"#,
            r#"j:{"call":"h2","input":"c","type":"llm_start"}"#,
            r#"j:{"call":"h2","output":"t","type":"llm_end","usage":{"cache_creation":20,"cache_read":10,"input_tokens":33,"output_tokens":2,"total_tokens":35}}"#,
            r#"j:{"call":"h3","input":["a","b"],"model":"i","parameters":{"max_tokens":9,"temperature":0.5},"provider":"prov","type":"llm_start"}"#,
            r#"j:{"call":"h3","error":"no","error_type":"ValueError","type":"llm_error"}"#,
            r#"j:{"result":{"output":null,"raw_type":"NoneType","status":"success"},"type":"result"}"#,
        ],
    );
}

#[test]
fn why_a_model_ended_is_in_its_message_wherever_the_provider_tells_it() {
    let source = "
def main(callbacks):
    from langchain_core.outputs import ChatGeneration, LLMResult
    h = callbacks[0]
    def end(message, **besides):
        h.on_llm_start({}, ['p'])
        h.on_llm_end(LLMResult(generations=[[ChatGeneration(message=message, **besides)]]))
    end(AIMessage('a', response_metadata={'stop_reason': 'end_turn'}))
    end(AIMessage('b'), generation_info={'finish_reason': 'length'})
    end(AIMessage('c'), generation_info={'other': 1})
";
    let start = |call| format!(r#"j:{{"call":"{call}","input":"p","type":"llm_start"}}"#);
    let end = |call, output| format!(r#"j:{{"call":"{call}","output":{output},"type":"llm_end"}}"#);
    let expected = [
        start("h1"),
        end("h1", r#"{"content":"a","finish_reason":"end_turn","role":"assistant"}"#),
        start("h2"),
        end("h2", r#"{"content":"b","finish_reason":"length","role":"assistant"}"#),
        start("h3"),
        end("h3", r#"{"content":"c","role":"assistant"}"#),
        r#"j:{"result":{"output":null,"raw_type":"NoneType","status":"success"},"type":"result"}"#.to_owned(),
    ];
    tells(Python, source, &expected.each_ref().map(String::as_str));
}

#[test]
fn tools_and_retrievers_know_the_call_they_happen_in() {
    let source = "
class R(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager): return [Document('d', metadata={'s': 1})]
@tool
def outer(q: str) -> str:
    'Uses another.'
    return search.invoke(q) + str(len(R().invoke(q)))
main = RunnableLambda(lambda d, config: outer.invoke({'q': d['input']}, config=config))
";
    tells(
        LangChain,
        source,
        &[
            r##"j:{"arguments":{"q":"hi"},"call":"#1","input":"{'q': 'hi'}","tool":"outer","type":"tool_start"}"##,
            r##"j:{"call":"#2","input":"hi","parent":"#1","tool":"search","type":"tool_start"}"##,
            r##"j:{"call":"#2","output":"found hi","tool":"search","type":"tool_end"}"##,
            r##"j:{"call":"#3","name":"R","parent":"#1","query":"hi","type":"retriever_start"}"##,
            r##"j:{"call":"#3","documents":[{"metadata":{"s":1},"page_content":"d"}],"name":"R","type":"retriever_end"}"##,
            r##"j:{"call":"#1","output":"found hi1","tool":"outer","type":"tool_end"}"##,
            r#"j:{"result":{"output":"found hi1","status":"success"},"type":"result"}"#,
        ],
    );
}

#[test]
fn the_output_of_a_chain_is_found() {
    for (value, output) in [
        ("{'output': 'o', 'text': 't'}", "o"),
        ("{'text': 't', 'result': 'r'}", "t"),
        ("{'generation': 'g', 'result': 'r'}", "r"),
        ("{'output': None, 'text': 't'}", "None"),
        ("{'other': 1}", "{'other': 1}"),
        ("{'output': AIMessage('m')}", "m"),
        ("AIMessage([{'type': 'text', 'text': 'block'}])", "block"),
        ("[1, 2]", "[1, 2]"),
        ("None", "None"),
    ] {
        gives(LangChain, &format!("main = RunnableLambda(lambda d: {value})"), &said(output));
    }
}

#[test]
fn runnables_are_found_and_run_once() {
    gives(
        LangChain,
        "class main:\n  def invoke(self, i, config=None): return str(sorted(config))",
        &said("['callbacks']"),
    );
    gives(LangChain, "class M:\n  def invoke(self, i): return i['input']\nmain = M()", &said("hi"));
    gives(
        LangChain,
        "class M:\n  async def ainvoke(self, i, config): return i['input']\nmain = M()",
        &said("hi"),
    );
    gives(LangChain, "def main(x): return RunnableLambda(lambda d: str(x))", &said("1"));
    let crash = r#"{"error_type":"ValueError","message":"Agent Execution Failed: k","status":"error"}"#;
    tells(
        LangChain,
        "def f(d):\n  print('once')\n  raise ValueError('k')\nmain = RunnableLambda(f)",
        &["o:once\n", &format!(r#"j:{{"result":{crash},"type":"result"}}"#)],
    );
    tells(
        LangChain,
        "async def f(d): return 'a'\nmain = RunnableLambda(f)",
        &[
            r#"j:{"level":"info","message":"the agent is asynchronous: running it with ainvoke","type":"log"}"#,
            r#"j:{"result":{"output":"a","status":"success"},"type":"result"}"#,
        ],
    );
}

#[test]
fn a_graph_gets_messages_and_a_thread() {
    let seen = "def f(s, config): return {'messages': [AIMessage(' '.join([type(s['messages'][0]).__name__, s['messages'][0].content, config['configurable']['thread_id'], str(config['recursion_limit'])]))]}\n";
    let result = r#"{"charm_state":"","output":"HumanMessage hi default_thread 50","status":"success","thread_id":"default_thread"}"#;
    for made in ["graph(f)", "graph(f).compile()", "graph(f).compile(checkpointer=MemorySaver())"] {
        gives(LangGraph, &format!("{seen}main = {made}"), result);
    }
    let asynchronous = "async def f(s): return {'messages': [AIMessage(str(len(s['messages'])))]}\nmain = graph(f).compile(checkpointer=MemorySaver())";
    gives(
        LangGraph,
        asynchronous,
        r#"{"charm_state":"","output":"1","status":"success","thread_id":"default_thread"}"#,
    );
}

#[test]
fn a_graph_that_waits_is_suspended() {
    let waits = r#"{"level":"info","message":"the graph waits before: n","type":"log"}"#;
    let result = r#"{"charm_state":"","next_step":["n"],"output":"hi","status":"suspended","thread_id":"default_thread"}"#;
    tells(
        LangGraph,
        "def f(s): return {'messages': [AIMessage(interrupt('ok?'))]}\nmain = graph(f)",
        &[&format!("j:{waits}"), &format!(r#"j:{{"result":{result},"type":"result"}}"#)],
    );
}

#[test]
fn a_failing_graph_is_an_error() {
    let result = r#"{"error_type":"ValueError","message":"Graph Execution Failed: k","status":"error"}"#;
    gives(LangGraph, "def f(s): raise ValueError('k')\nmain = graph(f)", result);
}

#[test]
fn a_tool_agent_keeps_parallel_tools_apart() {
    let source = "
from langchain.agents import create_agent
class M(GenericFakeChatModel):
    def bind_tools(self, tools, **_): return self
calls = [{'name': 'search', 'args': {'q': q}, 'id': q} for q in 'ab']
main = create_agent(M(messages=iter([AIMessage('', tool_calls=calls), AIMessage('done')])), [search])
";
    let Some(seen) = run(LangGraph, source) else { return };
    let of = |kind: &str| seen.told.iter().filter(|line| line.contains(kind)).count();
    assert_eq!((of("llm_start"), of("llm_end"), of("tool_start"), of("tool_end")), (2, 2, 2, 2), "{seen:?}");
    for q in ["a", "b"] {
        let start = seen
            .told
            .iter()
            .find(|line| line.contains(&format!("{{'q': '{q}'}}")))
            .expect("the tool started");
        let end = seen
            .told
            .iter()
            .find(|line| line.contains(&format!("content='found {q}'")))
            .expect("the tool ended");
        assert_eq!(uuid_mark(start), uuid_mark(end), "{seen:?}");
    }
    assert!(seen.told.last().is_some_and(|line| line.contains(r#""output":"done""#)), "{seen:?}");
}

fn uuid_mark(line: &str) -> Option<&str> {
    line.split('"').find(|word| word.starts_with('#'))
}

#[test]
fn crews_are_kicked_off() {
    // Objects of the shape of a crew: the bridge needs no more of it than this.
    for python in pythons() {
        let run = |source: &str| Agent::of(python, CrewAi, "agent:main", source).run(INPUTS);
        let result = |output: &str| format!(r#"{{"charm_state":"","output":"{output}","status":"success"}}"#);
        run("class R: raw = 'raw'\nclass main:\n  def kickoff(self, inputs): return R()")
            .gives(&result("raw"));
        run("class main:\n  def kickoff(self, inputs): return inputs['x']").gives(&result("1"));
        run("class main:\n  async def akickoff(self, inputs): return inputs['input']").gives(&result("hi"));
        run("class C:\n  def kickoff(self, inputs): return 'made'\ndef main(): return C()")
            .gives(&result("made"));
        run("class main:\n  def kickoff(self, inputs): raise ValueError('k')")
            .gives(r#"{"error_type":"ValueError","message":"k","status":"error"}"#);
        let seen = run("class main: pass");
        assert!(seen.told[0].contains("ContractViolation") && seen.told[0].contains("`kickoff`"), "{seen:?}");
    }
}
