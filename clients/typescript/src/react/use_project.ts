import { useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client.js";
import { ProjectStore, type Followed, type FollowOptions } from "./project_store.js";

export type { Followed, FollowOptions };

/**
 * Follows a project while the component is mounted. `options` count when `client` or `id` change.
 *
 * Make the client outside of your components: `const client = createClient("/ws")`.
 */
export function useProject(client: Client, id: string, options: FollowOptions = {}): Followed {
  const store = useMemo(() => new ProjectStore(client, id, options), [client, id]);
  return useSyncExternalStore(store.subscribe, store.snapshot, store.serverSnapshot);
}
