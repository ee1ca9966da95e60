// Keeps a page fresh: the server makes it anew, and what differs is put into the one that is shown.
// Focus, selection and the scrolling of tables stay. Without this file the browser reloads the page.

const PARTS = ["header", "#failure", "main", "footer"];

/** Make a node like another one, touching as little as possible. */
function become(shown, fresh) {
  if (shown.nodeType !== fresh.nodeType || shown.nodeName !== fresh.nodeName) {
    shown.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    if (shown.data !== fresh.data) shown.data = fresh.data;
    return;
  }
  for (const { name } of [...shown.attributes]) {
    if (!fresh.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  const old = [...shown.childNodes];
  const next = [...fresh.childNodes];
  next.forEach((child, index) => {
    if (index < old.length) become(old[index], child);
    else shown.append(document.importNode(child, true));
  });
  old.slice(next.length).forEach((child) => child.remove());
}

/** Ask for the page as a document; its scripts do not run. */
function load(timeoutMs) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = timeoutMs;
    request.onload = () => (request.response ? resolve(request.response) : reject());
    request.onerror = request.ontimeout = reject;
    request.send();
  });
}

function say(failure) {
  const line = document.querySelector("#failure");
  if (line.textContent !== failure) line.textContent = failure;
  document.querySelector("main").toggleAttribute("data-stale", true);
}

async function refresh(pauseMs) {
  let silentSince = null;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (document.hidden) {
      await new Promise((resolve) => {
        document.addEventListener("visibilitychange", resolve, { once: true });
      });
    }
    try {
      const fresh = await load(Math.max(5000, pauseMs));
      for (const part of PARTS) become(document.querySelector(part), fresh.querySelector(part));
      silentSince = null;
    } catch {
      silentSince ??= new Date().toLocaleTimeString();
      say(`The console does not answer since ${silentSince}. What is shown was seen before.`);
    }
  }
}

const seconds = Number(document.body.dataset.refreshSeconds);
if (seconds > 0) refresh(seconds * 1000);
