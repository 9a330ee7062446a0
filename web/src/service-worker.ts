/// <reference types="vite/client" />
/** Keeps what photographing needs, so that it opens without a network; everything else is asked for as ever. */

interface Extendable extends Event {
  waitUntil: (work: Promise<unknown>) => void;
}

interface Fetching extends Extendable {
  request: Request;
  respondWith: (answer: Promise<Response>) => void;
}

declare const __OFFLINE_FILES__: string[]; // written into the built worker by vite.config.ts: it changes when they do
const CACHE = `e2e3d ${hashOf(__OFFLINE_FILES__.join())}`;
const DOCUMENT = "/capture";
const OWN_VIEWS = /^\/(capture|sets|jobs|account|admin)?(\/|$)/; // neither shared models, where nobody is signed in, nor /v1

addEventListener("install", (event) => {
  const fill = async () => (await caches.open(CACHE)).addAll([DOCUMENT, ...__OFFLINE_FILES__]);
  (event as Extendable).waitUntil(fill());
});

addEventListener("activate", (event) => {
  const clear = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith("e2e3d ") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
  };
  (event as Extendable).waitUntil(clear());
});

addEventListener("fetch", (event) => {
  const { request, respondWith } = { request: (event as Fetching).request, respondWith: (answer: Promise<Response>) => (event as Fetching).respondWith(answer) };
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate" && OWN_VIEWS.test(pathname)) respondWith(documentOf(request));
  else if (pathname.startsWith("/assets/")) respondWith(kept(request.url).then((found) => found ?? fetch(request)));
});

/** The document of now, and where there is no network, the one that was kept with its own policy. */
async function documentOf(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await kept(DOCUMENT);
    if (!found) throw error;
    return found;
  }
}

async function kept(url: string): Promise<Response | undefined> {
  return (await caches.open(CACHE)).match(url, { ignoreVary: true });
}

function hashOf(text: string): string {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (hash * 31 + text.charCodeAt(at)) | 0;
  return String(hash);
}
