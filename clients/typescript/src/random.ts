/** 32 random hexadecimal digits. `crypto.randomUUID` is missing on plain http pages. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => (byte % 16).toString(16)).join("");
}
