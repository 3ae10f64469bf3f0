// For a script tag: the module as window.Onramp, and the element.

import "./element.js";
import { connect } from "./onramp.js";

window.Onramp = { connect };
