// Tells the text of a file that the test names; fails where there is none.
const fs = require("fs");

try {
  process.stdout.write(fs.readFileSync(process.env.CONTRACT_VALUE, "utf8"));
} catch {
  process.stdout.write("half a val");
  console.error("the source is gone");
  process.exitCode = 1;
}
