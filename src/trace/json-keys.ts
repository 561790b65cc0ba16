// What JSON.parse does not tell: a key that stands twice in one object, of which it silently keeps the last.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** The first key of `json`, which must be well-formed, that its object has already; null if there is none. */
export function duplicateKey(json: string): string | null {
  /** The keys of each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let keyNext = false;
  for (const [token] of json.matchAll(TOKEN)) {
    const keys = open.at(-1);
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token !== "," && keyNext && keys instanceof Set) {
      const key = JSON.parse(token) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    keyNext = token === "{" || token === ",";
  }
  return null;
}
