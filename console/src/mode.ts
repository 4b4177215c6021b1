/** What the operator of the gateway has set (`CONSOLE`): with `read` the page shows everything, and offers no action. */
export const mayAct = document.documentElement.dataset["console"] !== "read";
