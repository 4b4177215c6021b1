/** Begins the console page. */
import { render } from "preact";
import { projectIds, start } from "./page";
import { router } from "./router";
import { App } from "./shell/app";
import "./console.css";

const { place, query } = router.view;
// A link to a project adds it to those that the tab has.
start(query.getAll("project_id").flatMap(projectIds), place?.projectId ?? undefined);
render(<App />, document.getElementById("app")!);
