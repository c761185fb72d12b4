// An agent in JavaScript: reads its inputs from a file, prints, and writes event lines.
//
// Plain prints are shown to the user as `thinking`. A line that starts with `__CHARM_EVENT__` is an event and is
// passed on as it is. Everything that was printed is the result.

const fs = require("node:fs");

const inputs = JSON.parse(fs.readFileSync(process.env.CHARM_INPUT_FILE, "utf8"));

function emit(event) {
  console.log("__CHARM_EVENT__" + JSON.stringify(event));
}

function sleep(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

async function main() {
  console.log(`Looking for a greeting for ${inputs.input} …`);
  await sleep(100);
  emit({ type: "tool_usage", tool: "phrase_book", count: 1 });
  for (const token of ["God ", "dag, ", inputs.input, "! ", "👋"]) {
    await sleep(40);
    emit({ type: "delta", content: token });
  }
  emit({
    type: "artifact",
    content: { name: "greeting.txt", url: "https://example.com/greeting.txt", mime: "text/plain" },
  });
  console.log("Done.");
}

main();
