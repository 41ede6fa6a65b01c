// Removes what the header Clear-Site-Data has removed already where a browser knows it, looks whether anything is
// left, and says so. Runs on the page that answers the button, and only there.
"use strict";

// Each gives how many things are left after it has removed what it can. What a browser does not have, or does not
// show outside of https, holds nothing.
const STORES = {
  "local storage": async () => {
    localStorage.clear();
    return localStorage.length;
  },
  "session storage": async () => {
    sessionStorage.clear();
    return sessionStorage.length;
  },
  "offline copies": async () => {
    if (!("caches" in window)) return 0;
    for (const name of await caches.keys()) await caches.delete(name);
    return (await caches.keys()).length;
  },
  "background workers": async () => {
    if (!("serviceWorker" in navigator)) return 0;
    const workers = await navigator.serviceWorker.getRegistrations();
    // False where it was gone before.
    for (const worker of workers) await worker.unregister();
    return (await navigator.serviceWorker.getRegistrations()).length;
  },
  databases: async () => {
    // A browser that cannot list them cannot be asked by script; those that cannot know the header.
    if (!("indexedDB" in window) || !("databases" in indexedDB)) return 0;
    for (const { name } of await indexedDB.databases()) await removeDatabase(name);
    return (await indexedDB.databases()).length;
  },
  files: async () => {
    if (!navigator.storage || !("getDirectory" in navigator.storage)) return 0;
    const root = await navigator.storage.getDirectory();
    for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });
    let left = 0;
    for await (const _ of root.keys()) left += 1;
    return left;
  },
};

function removeDatabase(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
    // Another tab holds it open. It goes when that tab does, for which nobody waits here.
    request.onblocked = () => reject(new Error("held open"));
  });
}

async function reset() {
  const left = [];
  for (const [what, remove] of Object.entries(STORES)) {
    try {
      if ((await remove()) > 0) left.push(what);
    } catch {
      left.push(what);
    }
  }
  const report = document.getElementById("report");
  if (left.length === 0) {
    report.textContent = "Checked: this app's storage in this browser is empty.";
    report.className = "note good";
  } else {
    report.textContent =
      `Not everything could be removed: ${left.join(", ")}. ` +
      "Close all other tabs and windows of this app, go back, and press the button once more.";
    document.querySelector("h1").textContent = "Not everything was removed";
    document.title = "Not everything was removed";
  }
  report.dataset.left = String(left.length);
}

reset();
