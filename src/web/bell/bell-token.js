// Where the bell's token comes from when the page says only a URL: the page's own server, which knows who is logged in.

// Three parts in base64url, as RFC 7515 §7.1 writes them.
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

// What a server takes in one header.
const LONGEST = 8000;

/** A token, as text or as JSON with `token`; empty where nobody is logged in. */
export async function fetchToken(url) {
  const answer = await fetch(new URL(url, document.baseURI), {
    credentials: "include",
    cache: "no-store",
    redirect: "manual",
  });
  // These are answers, and no faults of the way there. Who is sent elsewhere is sent to log in.
  if (answer.type === "opaqueredirect" || [204, 401, 403].includes(answer.status)) return "";
  if (!answer.ok) throw new Error(`the token could not be fetched: ${answer.status}`);
  const text = (await answer.text()).trim();
  const body = /^[{"]/.test(text) ? JSON.parse(text) : text;
  const token = typeof body === "string" ? body : body.token;
  // What is no token is a page to log in at, which many servers answer with 200.
  return typeof token === "string" && token.length <= LONGEST && TOKEN.test(token) ? token : "";
}
