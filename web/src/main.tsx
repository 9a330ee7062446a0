import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import "./app/base.css";
import { App } from "./app/App";
import { keepForOffline } from "./app/offline";
import { applyTheme } from "./app/theme";
import { startLanguages } from "./i18n";

applyTheme();
keepForOffline();
await startLanguages();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
