// Checks tokens with jsonwebtoken, as verify.py does with PyJWT: JSON lines in, a JSON line out for each.
//
//   {"token": ..., "secret": ..., "algorithms": [...], "audience": ..., "issuer": ...}
//     -> {"ok": true, "claims": {...}} or {"ok": false, "error": "message"}
//
// jsonwebtoken is found in the directory that NODE_PATH names. Secrets come by standard input only.
"use strict";
const jwt = require("jsonwebtoken");

function answer(line) {
  try {
    const { token, secret, algorithms, audience, issuer } = JSON.parse(line);
    const options = { algorithms };
    if (audience) options.audience = audience;
    if (issuer) options.issuer = issuer;
    return { ok: true, claims: jwt.verify(token, Buffer.from(secret), options) };
  } catch (error) {
    return { ok: false, error: error.message };
  }
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (line.trim()) process.stdout.write(JSON.stringify(answer(line)) + "\n");
  });
