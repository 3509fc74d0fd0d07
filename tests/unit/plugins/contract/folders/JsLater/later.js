// Answers at once with a task, goes on, and posts the outcome in the shape that `shape` names.
const fs = require("fs");
const http = require("http");

const args = JSON.parse(fs.readFileSync(0, "utf8") || "{}");
const base = process.env.CALLBACK_BASE_URL;
const plugin = process.env.PLUGIN_NAME_FOR_CALLBACK;
const task = args.task ?? "task-1";
const first = {
  task_id: task,
  base,
  plugin,
  pid: process.pid,
  message: `Wait for {{VCP_ASYNC_RESULT::${plugin}::${task}}}`,
};
console.log(JSON.stringify({ status: "success", result: first }));

const finish = (code) => {
  if (args.answered) fs.writeFileSync(args.answered, String(code));
};
const post = (url, body) => {
  const request = http.request(url, { method: "POST", headers: { "Content-Type": "application/json" } });
  request.on("response", (answer) => {
    answer.resume();
    finish(answer.statusCode);
  });
  request.on("error", () => finish(0));
  request.end(JSON.stringify(body));
};
const waiting = setInterval(() => {
  if (!fs.existsSync(args.go)) return;
  clearInterval(waiting);
  const body = { requestId: task, status: "Succeed", message: "画好了 🎨" };
  if (args.shape === "body") post(base, { pluginName: plugin, taskId: task, ...body });
  else post(`${base}/${plugin}/${task}`, body);
}, 20);
