// The usual way: Meta's SDK opens Meta's signup in a window of its own.

import { journey } from "./journey.js";
import { openPopup } from "./popup.js";
import { loadSdk } from "./sdk.js";
import { obstacle } from "./surroundings.js";

/**
 * @param {import("../onramp").Options} options
 * @returns {import("../onramp").Journey}
 */
export const connect = (options) => journey(options, {
  hindrance: obstacle,
  load: (config) => loadSdk(config, options.locale, options.sdkTimeout),
  open: ({ launch }, _attempt, told) => openPopup(launch, told),
});
