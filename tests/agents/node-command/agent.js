// A command in any language: reads the inputs, prints, writes event lines.
const fs = require("node:fs");
const inputs = JSON.parse(fs.readFileSync(process.env.CHARM_INPUT_FILE, "utf8"));
console.log(`asked: ${inputs.input}`);
console.log("__CHARM_EVENT__" + JSON.stringify({ type: "delta", content: "tök" }));
console.log("answer ü");
