/** The pages beside the log: one file, because they are small together. */
import type { ComponentType } from "preact";
import type { ALL_PAGES } from "../router";
import { AgentsPage } from "./agents";
import { ApprovalsPage } from "./approvals";
import { ChaosPage } from "./chaos";
import { ConnectionsPage } from "./connections";
import { NodesPage } from "./nodes";
import { OverviewPage } from "./overview";
import { ProjectsPage } from "./projects";
import { QueuesPage } from "./queues";
import { RunsPage } from "./runs";

export const pages: Record<(typeof ALL_PAGES)[number], ComponentType> = { overview: OverviewPage, runs: RunsPage, approvals: ApprovalsPage, projects: ProjectsPage, connections: ConnectionsPage, queues: QueuesPage, agents: AgentsPage, nodes: NodesPage, chaos: ChaosPage };
