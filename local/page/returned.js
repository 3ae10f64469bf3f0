/** Shows with what the customer came back to the tenant's own page. */

import { $, drawFacts } from "./dom.js";

drawFacts($("given"), [...new URLSearchParams(location.search)]);
