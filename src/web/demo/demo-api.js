// The demonstration's three people and what they ask of the server. Tokens are given to anybody in development mode.

export const HOST = { userId: "demo-host", role: "PROFESSIONAL", email: "demo-host@example.org", name: "Demo host" };
export const GUEST = { userId: "demo-guest", role: "CUSTOMER", name: "Demo guest" };
const OPERATOR = { userId: "demo-operator", role: "ADMIN", name: "Demo operator" };

const tokens = new Map();

/** A token of one of them; a fresh one when the last was not believed or soon expires. */
export function tokenOf(person, reason = "start") {
  if (reason !== "start") tokens.delete(person.userId);
  if (!tokens.has(person.userId)) tokens.set(person.userId, askForToken(person));
  return tokens.get(person.userId);
}

async function askForToken(person) {
  try {
    const answer = await send("/dev/token", { method: "POST", body: person });
    return answer.token;
  } catch (error) {
    tokens.delete(person.userId);
    throw error;
  }
}

/** One request as one of them; throws what the server says in words. */
export async function ask(person, path, options = {}) {
  return send(path, { ...options, token: await tokenOf(person) });
}

/** Everything that happened to one notification, which administrators may see. */
export function trailOf(id) {
  return ask(OPERATOR, `/admin/notifications/${id}/trail`);
}

async function send(path, { method = "GET", body, token, key } = {}) {
  const answer = await fetch(path, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { "content-type": "application/json" }),
      ...(key && { "idempotency-key": key }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail ?? `${method} ${path} was answered ${answer.status}`);
  return said;
}
