// Run one call of a JavaScript module plugin: node run_module.cjs OPERATION SCRIPT < request.json
//
// Node's built-in modules only. The protocol is described in the package beside this file; the
// Python twin is run_module.py.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { Console } = require('node:console');
const { pathToFileURL } = require('node:url');

const CLEANUP_MS = 1000;
const OPERATIONS = ['call', 'describe', 'preprocess'];
const NEEDED = {
  cherry: 'execute',
  module: 'executeTool',
  toolbox: 'processToolCall',
  preprocessor: 'processMessages',
};
const LAST = { module: 'cleanup', toolbox: 'shutdown', preprocessor: 'shutdown' };
const NO_REASON = 'The plugin failed and gave no reason.';

// What goes into the reply without a stack.
class Problem extends Error {}

// Taken before a plugin can replace them.
const exit = process.exit.bind(process);
const writeSync = fs.writeSync.bind(fs);

let answered = false;
let exiting = false;
const controller = new AbortController();

function takeStdout() {
  const toStderr = process.stderr.write.bind(process.stderr);
  process.stdout.write = (chunk, encoding, callback) => toStderr(chunk, encoding, callback);
  const quiet = new Console(process.stderr, process.stderr);
  for (const name of Object.keys(console)) {
    if (typeof quiet[name] === 'function') console[name] = quiet[name].bind(quiet);
  }
}

// Synchronous and to the end: neither a large reply nor an exit right after it loses anything.
function answer(line) {
  answered = true;
  let left = Buffer.from(`${line}\n`, 'utf8');
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(1, left));
    } catch (error) {
      if (error.code !== 'EAGAIN') return false; // whoever asked is gone
      Atomics.wait(pause, 0, 0, 1);
    }
  }
  return true;
}

function fail(message) {
  if (!answered) answer(JSON.stringify({ status: 'error', error: message }));
}

function worded(error) {
  if (!(error instanceof Error)) return `The module threw ${describeValue(error)}.`;
  const message = error.message || error.name || 'unknown error';
  return error.name && error.name !== 'Error' && error.message ? `${error.name}: ${message}` : message;
}

function describeValue(value) {
  try {
    return typeof value === 'string' ? value : JSON.stringify(value) ?? String(value);
  } catch {
    return 'a value that cannot be shown';
  }
}

function crash(error) {
  if (error instanceof Problem) {
    fail(error.message);
  } else {
    process.stderr.write(`${(error && error.stack) || describeValue(error)}\n`);
    fail(worded(error));
  }
  finish(1);
}

function finish(code) {
  if (exiting) return;
  exiting = true;
  exit(code);
}

async function readRequest() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const raw = Buffer.concat(chunks);
  let request;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(raw);
    request = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw new Problem(`The request on stdin is not JSON in UTF-8: ${error.message}.`);
  }
  if (!isObject(request)) throw new Problem('The request on stdin is JSON, but not an object.');
  for (const key of ['args', 'config']) {
    request[key] ??= {};
    if (!isObject(request[key])) throw new Problem(`The request's '${key}' is not a JSON object.`);
  }
  request.messages ??= [];
  if (!Array.isArray(request.messages)) {
    throw new Problem("The request's 'messages' is not a JSON array.");
  }
  return request;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// require() where it can be used: under import() a script would take itself for the main program.
async function load(script) {
  if (!fs.existsSync(script)) {
    throw new Problem(`There is no script '${path.basename(script)}' in the plugin's folder.`);
  }
  if (!isEsModule(script)) {
    try {
      return require(script);
    } catch (error) {
      if (!['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE'].includes(error?.code)) throw error;
    }
  }
  return import(pathToFileURL(script).href);
}

function isEsModule(script) {
  if (script.endsWith('.mjs')) return true;
  if (script.endsWith('.cjs')) return false;
  for (let folder = path.dirname(script); ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
      } catch {
        return false; // Node says better what is wrong with it
      }
    }
    if (folder === path.dirname(folder)) return false;
  }
}

function candidates(exported) {
  return [exported, exported?.default, exported?.plugin, exported?.Plugin].filter(
    (value) => value !== undefined && value !== null,
  );
}

function holds(candidate, name) {
  if (typeof candidate[name] === 'function') return true;
  return typeof candidate === 'function' && typeof candidate.prototype?.[name] === 'function';
}

function targetWith(exported, name) {
  for (const candidate of candidates(exported)) {
    if (typeof candidate[name] === 'function') return candidate;
    if (holds(candidate, name)) return new candidate(); // an exported class
  }
  throw new Problem(`The module has no function ${name}().`);
}

function styleOf(operation, request, exported) {
  const { style } = request;
  if (style === undefined || style === null) {
    if (operation === 'preprocess') return 'preprocessor';
    for (const [name, needed] of Object.entries(NEEDED)) {
      if (candidates(exported).some((candidate) => holds(candidate, needed))) return name;
    }
    const wanted = Object.values(NEEDED).map((name) => `${name}()`).join(', ');
    throw new Problem(`The module has none of the functions that make it a plugin: ${wanted}.`);
  }
  if (!Object.hasOwn(NEEDED, style)) {
    const known = Object.keys(NEEDED).join(', ');
    throw new Problem(`There is no style '${style}' of modules; there are ${known}.`);
  }
  return style;
}

function neededFor(operation, style) {
  if (operation === 'preprocess') return 'processMessages';
  if (operation === 'describe' && style === 'module') return 'getTools';
  // A hybrid service is both: asked for a call, it is treated as a toolbox.
  return operation === 'call' && style === 'preprocessor' ? 'processToolCall' : NEEDED[style];
}

function contextOf(request) {
  const given = isObject(request.context) ? request.context : {};
  return {
    requestIp: given.requestIp ?? process.env.VCP_REQUEST_IP ?? null,
    sourceNode: given.sourceNode ?? null,
    pluginName: given.pluginName ?? request.tool ?? null,
    signal: controller.signal,
  };
}

function deps() {
  const push = (...said) => console.error(...said);
  return { vcpLogFunctions: { pushVcpLog: push, pushVcpInfo: push } };
}

// The reply that {success, output, data} means (seed 001).
function cherry(value) {
  if (!isObject(value) || !('success' in value)) return plain(value);
  if (!value.success) {
    const said = value.error || value.output || NO_REASON;
    const text = said instanceof Error ? worded(said) : describeValue(said);
    return { status: 'error', error: text };
  }
  const { output, data } = value;
  const empty =
    data === undefined || data === null || data === '' ||
    (typeof data === 'object' && Object.keys(data).length === 0 && !data.toJSON);
  if (empty) return { status: 'success', result: output ?? null };
  const named = output === undefined || output === null ? { data } : { output, data };
  return { status: 'success', result: named };
}

// A module that speaks the stdio contract itself is taken at its word (facts §1.5).
function plain(value) {
  if (isObject(value)) {
    if (value.status === 'error') return { error: NO_REASON, ...value };
    if (value.status === 'success' && 'result' in value) return value;
  }
  return { status: 'success', result: value ?? null };
}

async function perform(operation, style, target, request) {
  const { args, config } = request;
  if (operation === 'describe' && style !== 'module') {
    const known = [...Object.values(NEEDED), 'initialize', 'getTools', 'cleanup', 'shutdown'];
    const functions = known.filter((name) => typeof target[name] === 'function');
    return { status: 'success', result: { style, functions } };
  }
  if (style !== 'cherry' && typeof target.initialize === 'function') {
    await target.initialize(config, deps());
  }
  if (operation === 'describe') return { status: 'success', result: (await target.getTools()) ?? null };
  if (operation === 'preprocess') {
    const messages = await target.processMessages(request.messages, config);
    if (!Array.isArray(messages)) {
      throw new Problem('processMessages() did not return an array of messages.');
    }
    return { status: 'success', result: messages };
  }
  if (style === 'cherry') return cherry(await target.execute(args));
  if (style === 'module') return plain(await target.executeTool(request.tool, args));
  return plain(await target.processToolCall(args, contextOf(request)));
}

function lineOf(reply) {
  try {
    return JSON.stringify(reply);
  } catch (error) {
    throw new Problem(`The module's result cannot be written as JSON: ${error.message}.`);
  }
}

async function main([operation, script, ...more]) {
  if (!OPERATIONS.includes(operation) || script === undefined || more.length > 0) {
    throw new Problem('Usage: run_module.cjs call|describe|preprocess SCRIPT < request.json');
  }
  const request = await readRequest();
  const file = path.resolve(script);
  process.argv = [process.argv[0], file];
  const exported = await load(file);
  const style = styleOf(operation, request, exported);
  const target = targetWith(exported, neededFor(operation, style));
  const line = lineOf(await perform(operation, style, target, request));
  if (!answer(line)) return 1;
  // Whatever the module does from here on (a cleanup that hangs, open handles), the process is
  // gone in a second.
  setTimeout(() => finish(0), CLEANUP_MS);
  const last = LAST[style];
  try {
    if (last !== undefined && typeof target[last] === 'function') await target[last]();
  } catch (error) {
    process.stderr.write(`${(error && error.stack) || describeValue(error)}\n`);
  }
  return 0;
}

takeStdout();
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
process.on('SIGTERM', () => {
  controller.abort();
  setTimeout(() => finish(143), CLEANUP_MS).unref();
});
process.on('exit', (code) => {
  if (answered) return;
  // Either the module ended the process itself, or nothing is left that could settle its promise.
  fail(
    exiting || code !== 0 || process.exitCode !== undefined
      ? `The module ended the process (exit code ${code}) before it answered.`
      : 'The module never answered: its promise was not settled and nothing is left to wait for.',
  );
  process.exitCode = 1;
});
main(process.argv.slice(2)).then(finish, crash);
