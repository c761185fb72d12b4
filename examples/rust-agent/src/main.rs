//! An agent written in Rust that tells what it does: a scripted weather assistant.
//!
//! Rule: the agent's own logic knows nothing of exporters; it holds a [`Run`] and opens a handle for each call.

use std::process::ExitCode;
use std::time::Duration;

use charm_telemetry_core::{LlmEnd, LlmStart, Manager, Run, TokenUsage};
use serde_json::json;

fn main() -> ExitCode {
    let question = std::env::args().nth(1).unwrap_or_else(|| "weather in Oslo?".to_owned());
    // Exporters come by name, from those that are compiled in: `.activate("otlp")`. This program has none.
    let manager = match Manager::builder().start() {
        Ok(manager) => manager,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(78);
        }
    };
    answer(manager.start_run(&json!({ "input": question })), &question);
    let report = manager.shutdown(Duration::from_secs(5));
    eprintln!("{report}");
    ExitCode::SUCCESS
}

/// One run of the agent.
fn answer(run: Run, question: &str) {
    let city = question.trim_end_matches('?').rsplit(' ').next().unwrap_or("Oslo");
    let Some(forecast) = forecast(&run, city) else {
        run.fail(&format!("nobody knows the weather in {city}"));
        return;
    };
    let mut call = run.llm_call(LlmStart::new("scripted-1").provider("script").input(question));
    let words = format!("{city} is {forecast}. Dress well!");
    // What a model streams is passed through, and each token is told on the way.
    let text: String = call.wrap(words.split_inclusive(' ')).collect();
    call.finish(LlmEnd::new().output(&text).usage(TokenUsage::new(12, 6)));
    run.finish(&text);
}

/// A tool that calls another one.
fn forecast(run: &Run, city: &str) -> Option<&'static str> {
    let forecast = run.tool_call("get_forecast", city);
    let locate = forecast.tool_call("locate", city);
    let known = [("Oslo", "cloudy, 3 °C"), ("Lima", "sunny, 22 °C")];
    let Some((_, weather)) = known.into_iter().find(|(name, _)| *name == city) else {
        locate.fail("no such city");
        // `forecast` is dropped unfinished: that is told as an error, too.
        return None;
    };
    locate.finish("found");
    forecast.finish(weather);
    Some(weather)
}

#[cfg(test)]
mod tests {
    use charm_telemetry_core::testing::MemoryWriter;

    use super::*;

    fn events(question: &str) -> Vec<serde_json::Value> {
        let seen = MemoryWriter::new();
        let manager = Manager::builder().stdout(seen.clone()).start().expect("nothing is wrong with it");
        answer(manager.start_run(&question), question);
        assert!(manager.shutdown(Duration::from_secs(5)).is_balanced());
        seen.events()
    }

    #[test]
    fn an_answer_is_streamed_word_by_word() {
        let events = events("weather in Oslo?");
        let words = events.iter().filter(|event| event["type"] == "delta");
        let text: String = words.filter_map(|event| event["content"].as_str()).collect();
        assert_eq!(text, "Oslo is cloudy, 3 °C. Dress well!");
    }

    #[test]
    fn a_failure_is_told_of_the_tools_and_of_the_run() {
        let events = events("weather in Atlantis?");
        let last = &events[events.len() - 3..];
        assert_eq!(last[0]["content"], "Tool Error: no such city\n");
        assert_eq!(last[1]["content"], "Tool Error: the call was dropped before it was finished\n");
        assert_eq!(last[2], json!({ "type": "error", "content": "nobody knows the weather in Atlantis" }));
    }
}
