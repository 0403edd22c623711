// Where one is: the view, its subject and its filters, all in the URL's fragment, so that a link shows another
// operator the same. No secret is ever in it.

/** @returns {{view: string, id: string|null, filters: Record<string, string>}} */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view: view || "overview", id: rest.length ? decode(rest.join("/")) : null, filters: filtersOf(query) };
}

function filtersOf(query) {
  return Object.fromEntries([...new URLSearchParams(query)].filter(([, value]) => value !== ""));
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The fragment of a view. */
export function to(view, { id = null, filters = {} } = {}) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  const path = `#/${view}${id === null ? "" : `/${encodeURIComponent(id)}`}`;
  return query.size ? `${path}?${query}` : path;
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** Whether a text may be a notification's id. */
export const isUuid = (text) => UUID.test(text);
