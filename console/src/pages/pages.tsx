/** The pages beside the log: one file, because they are small together. */
import type { ComponentType } from "preact";
import type { PAGES } from "../router";
import { ConnectionsPage } from "./connections";

export const pages: Record<(typeof PAGES)[number], ComponentType> = { connections: ConnectionsPage };
