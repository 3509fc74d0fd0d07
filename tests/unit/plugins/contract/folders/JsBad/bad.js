// Misbehaves as `do` asks; whatever it starts bears the marker of its environment.
const fs = require("fs");
const { spawn } = require("child_process");

const args = JSON.parse(fs.readFileSync(0, "utf8") || "{}");
const stay = () => setInterval(() => {}, 1000);
const deeds = {
  "fork bomb": () => {
    for (let n = 0; n < args.count; n++) spawn("sleep", ["120"], { stdio: "inherit" });
    stay();
  },
  "fork bomb, new sessions": () => {
    for (let n = 0; n < args.count; n++)
      spawn("sleep", ["120"], { stdio: "inherit", detached: true }).unref();
    stay();
  },
  hang: stay,
  "hang, deaf": () => {
    for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, () => {});
    stay();
  },
  garbage: () => fs.writeSync(1, Buffer.from(Array.from({ length: 4000 }, (_, n) => (n * 7919) % 256))),
  crash: () => process.kill(process.pid, "SIGSEGV"),
};
deeds[args.do]();
