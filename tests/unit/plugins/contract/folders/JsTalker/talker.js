// Replies in every way, good and bad, as `do` asks.
const fs = require("fs");
const { spawn } = require("child_process");

const out = (text) => fs.writeSync(1, text);
const reply = (result) => {
  const whole = Buffer.from(JSON.stringify({ status: "success", result }));
  for (let at = 0; at < whole.length; ) {
    try {
      at += fs.writeSync(1, whole, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
};
const given = fs.readFileSync(0, "utf8");
const args = JSON.parse(given || "{}");
const deeds = {
  success: () => reply(args.say ?? "好的 🎲"),
  noise: () => {
    console.log("loading the model ...\n{not JSON} done");
    reply("好的");
  },
  "noise around": () => {
    console.log("loading the model ...");
    reply("好的");
    out("\nbye\n");
  },
  plain: () => console.log("晴，25 度"),
  silence: () => {},
  "exit 3": () => {
    reply("well");
    process.exitCode = 3;
  },
  "silent exit 3": () => {
    console.error("the cause of it all");
    process.exitCode = 3;
  },
  error: () => out(JSON.stringify({ status: "error", error: "no such 骰子" })),
  stderr: () => {
    console.error("first warning\n中文 line");
    reply("well");
  },
  large: () => reply("中".repeat(args.characters)),
  bytes: () => {
    const bad = Buffer.from([0xff, 0xe4, 0xb8]);
    out(Buffer.concat([Buffer.from('{"status": "success", "result": "a'), bad, Buffer.from(' 中🎲"}')]));
  },
  sleep: () => {
    spawn("sleep", ["60"], { stdio: "inherit" });
    fs.writeFileSync(args.ready, "");
    setTimeout(() => {}, 60000);
  },
  throw: () => {
    throw new Error("thrown in JavaScript");
  },
};
if (args.do === undefined) reply(given);
else deeds[args.do]();
