// Makes node.json: stacks as Node writes them, with what is true of them, taken from the live objects.
//
// To renew: `node make.mjs`.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import util from 'node:util';
import { pathToFileURL } from 'node:url';

const AGENT = `
const { lookUp } = require('toolkit');
class NoSky extends Error { constructor(text, more) { super(text, more); this.name = 'NoSky'; } }
const agent = {
  plain() { return lookUp(place => { throw new TypeError('no weather for ' + place); }); },
  ownClass() { throw new NoSky('two\\nlines \u2614'); },
  noText() { throw new Error(); },
  async later() { await null; throw new RangeError('late'); },
  cause() { try { agent.plain(); } catch (cause) { throw new NoSky('no answer', { cause }); } },
  causes() { try { agent.cause(); } catch (cause) { const e = new Error('last', { cause }); e.code = 'E_LAST'; throw e; } },
  constructed() { class Maker { constructor() { this.make(); } make() { throw new Error('made'); } } return new Maker(); },
  sorted() { [2, 1].sort(() => { throw new Error('in native code'); }); },
  json() { JSON.parse('{'); },
  noFile() { require('fs').readFileSync('/no/such/file'); },
  noPath() { require('fs').readFileSync({}); },
};
module.exports = agent;
`;
const TOOLKIT = `exports.lookUp = call => ['Oslo'].map(place => call(place));`;
const MODULE = `export function inModule() { throw new Error('in a module'); }`;

function calls(error) {
  // What V8 would write, as objects.
  const sites = error.sites.map(site => ({
    file: site.getFileName(), line: site.getLineNumber(), column: site.getColumnNumber(),
  }));
  return sites.filter(site => site.file && site.line);
}

function truth(error) {
  const raised = [];
  for (let e = error, id = 0; e instanceof Error; e = e.cause, id += 1) {
    const frames = calls(e).map(({ file, line, column }) => ({ path: file.replace('file://', ''), line, column })).reverse();
    raised.push({ class: e.name, text: e.message, frames, parent: id ? id - 1 : null, link: id ? 'cause' : null });
  }
  return raised;
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'agent-'));
fs.mkdirSync(path.join(folder, 'node_modules/toolkit'), { recursive: true });
fs.writeFileSync(path.join(folder, 'agent.js'), AGENT);
fs.writeFileSync(path.join(folder, 'module.mjs'), MODULE);
fs.writeFileSync(path.join(folder, 'node_modules/toolkit/index.js'), TOOLKIT);
Error.prepareStackTrace = (error, sites) => {
  Object.defineProperty(error, 'sites', { value: sites, enumerable: false });
  let title;
  try { title = Error.prototype.toString.call(error); } catch { title = 'Error'; }
  return [title, ...sites.map(site => '    at ' + site)].join('\n');
};
const agent = (await import(pathToFileURL(path.join(folder, 'agent.js')))).default;
const cases = {};
const all = { ...agent, ...(await import(pathToFileURL(path.join(folder, 'module.mjs')))) };
for (const [name, call] of Object.entries(all)) {
  try {
    await call();
  } catch (error) {
    const stack = error.stack;
    for (let e = error; e; e = e.cause) void e.stack;
    const text = error.cause ? util.inspect(error) : stack;
    cases[name] = { text, raised: truth(error) };
  }
}
const own = path.dirname(new URL(import.meta.url).pathname);
const text = JSON.stringify(cases, null, 1).replaceAll(folder, '/app').replaceAll(own, '/app/bin');
fs.writeFileSync(new URL('node.json', import.meta.url), text + '\n');
console.log(Object.keys(cases).length, 'cases', text.length, 'bytes');
