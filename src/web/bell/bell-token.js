// Where the bell's token comes from when the page says only a URL: the page's own server, which knows who is logged in.

/** A token, as text or as JSON with `token`; empty where nobody is logged in. */
export async function fetchToken(url) {
  const answer = await fetch(new URL(url, document.baseURI), { credentials: "include", cache: "no-store" });
  // That is an answer, and no fault of the way there.
  if ([204, 401, 403].includes(answer.status)) return "";
  if (!answer.ok) throw new Error(`the token could not be fetched: ${answer.status}`);
  const text = (await answer.text()).trim();
  if (!/^[{"]/.test(text)) return text;
  const body = JSON.parse(text);
  return typeof body === "string" ? body : body.token;
}
