// Makes and checks stored passwords with the libraries of Node apps, as passwords.py does: JSON lines in, a
// JSON line out for each.
//
//   {"make": FORMAT, "password": ...}               -> {"ok": true, "hash": ...}
//   {"check": FORMAT, "hash": ..., "password": ...} -> {"ok": true, "right": ...}
//
// The packages are found in the directory that NODE_PATH names. Secrets come by standard input only.
"use strict";
const crypto = require("node:crypto");
const { createRequire } = require("node:module");
const { pathToFileURL } = require("node:url");

// Node 18 has it behind a flag, and Lucia expects it.
globalThis.crypto ??= crypto.webcrypto;

const bcryptjs = require("bcryptjs");
const betterAuth = require("@better-auth/utils/password");
const scryptKdf = require("scrypt-kdf");
const lucia = import(pathToFileURL(createRequire(__filename).resolve("lucia"))).then(({ Scrypt }) => new Scrypt());

// As it is written by hand, and in tutorials: with the defaults of crypto.scrypt.
const key = (password, salt) => crypto.scryptSync(password, salt, 64).toString("hex");
const byHand = (join, split) => ({
  make: (password) => {
    const salt = crypto.randomBytes(16).toString("hex");
    return join(salt, key(password, salt));
  },
  check: (stored, password) => {
    const [salt, digest] = split(stored);
    return crypto.timingSafeEqual(Buffer.from(digest, "hex"), Buffer.from(key(password, salt), "hex"));
  },
});

const FORMATS = {
  "bcryptjs 2b": {
    make: (password) => bcryptjs.hash(password, 4),
    check: (stored, password) => bcryptjs.compare(password, stored),
  },
  "better-auth": {
    make: betterAuth.hashPassword,
    check: betterAuth.verifyPassword,
  },
  lucia: {
    make: async (password) => (await lucia).hash(password),
    check: async (stored, password) => (await lucia).verify(stored, password),
  },
  "scrypt-kdf": {
    make: async (password) => (await scryptKdf.kdf(password, { logN: 10 })).toString("base64"),
    check: (stored, password) => scryptKdf.verify(Buffer.from(stored, "base64"), password),
  },
  "node salt:key": byHand((salt, digest) => `${salt}:${digest}`, (stored) => stored.split(":")),
  "node key.salt": byHand((salt, digest) => `${digest}.${salt}`, (stored) => stored.split(".").reverse()),
};

async function answer(line) {
  try {
    const request = JSON.parse(line);
    if ("make" in request) return { ok: true, hash: await FORMATS[request.make].make(request.password) };
    return { ok: true, right: await FORMATS[request.check].check(request.hash, request.password) };
  } catch (error) {
    return { ok: false, error: error.message };
  }
}

(async () => {
  for await (const line of require("node:readline").createInterface({ input: process.stdin })) {
    if (line.trim()) process.stdout.write(JSON.stringify(await answer(line)) + "\n");
  }
})();
