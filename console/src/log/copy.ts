/** What of an update goes into the clipboard. */
import { positionOf, type Update } from "./entries";

/** The command that reads this one update again. The token is not in it: the shell's variable is. */
export function curlOf(update: Update, { hasToken }: { hasToken: boolean }): string {
  const { projectId, epoch, first } = update;
  const url = `${location.origin}/api/v1/projects/${projectId}/messages?after=${first - 1}&limit=1&epoch=${epoch}`;
  return `curl -sS '${url}'${hasToken ? ' -H "Authorization: Bearer $WEBSOCKET_HANDLER_TOKEN"' : ""}`;
}

/** The address of the update. */
export function linkOf(update: Update): string {
  return `${location.origin}/p/${positionOf(update)}`;
}

/** Copies a text. Browsers give the clipboard to pages of https and of this machine only; elsewhere a selection has to do. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    return isCopied;
  }
}
