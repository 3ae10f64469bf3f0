// The module. The element is a file of its own: half of those who take the module have a button already.

export { connect } from "./connect.js";
