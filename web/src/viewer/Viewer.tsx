import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../api/client";
import { useFormat } from "../i18n/format";
import { Button, Empty, Notice, uiStyles } from "../ui";
import { modesOf, shownOf, type Mode } from "./kinds";
import { useScene } from "./useScene";
import styles from "./viewer.module.css";

interface ViewerProps {
  jobId: string;
  name: string;
  results: readonly Schemas["Result"][];
}

/** What a job has made so far, to be turned: the best of it first, unless something else is chosen. */
export default function Viewer({ jobId, name, results }: ViewerProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const frame = useRef<HTMLDivElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const [wished, setWished] = useState<Mode | null>(null);
  const [cameras, setCameras] = useState<boolean | null>(null);
  const shown = shownOf(results);
  const modes = modesOf(shown);
  const mode = wished && modes.includes(wished) ? wished : modes[0];
  const withCameras = cameras ?? (mode === "cloud" && wished === null);
  const scene = useScene(place, jobId, shown, mode, withCameras);
  const webgl = useQuery({ queryKey: ["webgl"], queryFn: hasWebgl, staleTime: Infinity });
  if (webgl.data === false) return <Notice tone="doubt" title={t("viewer.noWebgl")} />;

  return (
    <div className={styles.viewer} ref={frame}>
      <div className={styles.stage}>
        <div
          ref={place}
          className={styles.canvas}
          role="application"
          aria-label={t("viewer.label")}
          tabIndex={0}
          data-ready={scene.ready ?? undefined}
          onKeyDown={(event) => scene.view?.move(event.key) && event.preventDefault()}
        />
        {scene.share !== null && (
          <p className={styles.overlay} role="status">
            {t("viewer.loading", { percent: format.percent(scene.share) })}
          </p>
        )}
        {scene.failed && (
          <div className={styles.overlay}>
            <Notice tone="bad" title={t("viewer.failed")} />
          </div>
        )}
        {!mode && <div className={styles.overlay}><Empty>{t("viewer.nothing")}</Empty></div>}
      </div>
      <div className={styles.bar}>
        <ToggleButtonGroup
          className={uiStyles.toggles ?? ""}
          aria-label={t("viewer.show")}
          disallowEmptySelection
          selectedKeys={mode ? [mode] : []}
          onSelectionChange={(keys) => setWished([...keys][0] as Mode)}
        >
          {modes.map((each) => (
            <ToggleButton key={each} id={each} className={uiStyles.toggle ?? ""}>
              {t(`viewer.${each}`)}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        {shown.cameras && (
          <div className={uiStyles.toggles}>
            <ToggleButton className={uiStyles.toggle ?? ""} isSelected={withCameras} onChange={setCameras}>
              {t("viewer.cameras")}
            </ToggleButton>
          </div>
        )}
        <span className="quiet small numbers">{scene.size && t(`viewer.${scene.size.unit}`, { count: scene.size.count })}</span>
        <div className={styles.actions}>
          <Button onPress={() => scene.reset()}>{t("viewer.reset")}</Button>
          <Button onPress={() => void (document.fullscreenElement ? document.exitFullscreen() : frame.current?.requestFullscreen())}>
            {t("viewer.fullscreen")}
          </Button>
          <Button onPress={() => void save(scene.view?.picture(), `${name}.png`)}>{t("viewer.screenshot")}</Button>
        </div>
      </div>
    </div>
  );
}

function hasWebgl(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

async function save(picture: Promise<Blob | null> | undefined, name: string): Promise<void> {
  const blob = await picture;
  if (!blob) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
