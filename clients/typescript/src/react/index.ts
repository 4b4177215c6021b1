/** Hooks for React 18 and 19. Nothing happens while a page is rendered on a server. */
export { useForward, type Sent, type Sender } from "./use_forward.js";
export { useProject, type Followed, type FollowOptions } from "./use_project.js";
