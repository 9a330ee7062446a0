import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { AnnotationPanel } from "../annotations/AnnotationPanel";
import { Markers } from "../annotations/Markers";
import type { Notes } from "../annotations/notes";
import { useAnnotating } from "../annotations/useAnnotating";
import type { Schemas } from "../api/client";
import { useFormat } from "../i18n/format";
import { Button, Empty, Notice, uiStyles } from "../ui";
import { CameraPanel } from "./CameraPanel";
import { ConfidenceLegend } from "./ConfidenceLegend";
import { ClipPanel } from "./ClipPanel";
import { forwardOf, type Cameras } from "./formats";
import { modesOf, shownOf, type Mode } from "./kinds";
import { MeasurePanel } from "./MeasurePanel";
import type { SceneView } from "./SceneView";
import type { ModelSource } from "./source";
import { useClip } from "./useClip";
import { useMeasure } from "./useMeasure";
import { useScene, type SceneState } from "./useScene";
import styles from "./viewer.module.css";

export interface ViewerProps {
  source: ModelSource;
  name: string;
  /** The set of the photographs; null where there is none any more. */
  setId: string | null;
  results: readonly Schemas["Result"][];
  /** Is given the view and the cameras of the model once they are there, and null when they go. */
  onView?: (view: SceneView | null, cameras: Cameras | null) => void;
  /** What is said of places of the model; not given where nothing can be. */
  notes?: Notes;
}

const NO_NOTES: Notes = { items: [], error: null, editing: null };

/** What a job has made so far, to be turned: the best of it first, unless something else is chosen. */
export default function Viewer({ source, name, setId, results, onView, notes }: ViewerProps) {
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
  const scene = useScene(place, source, shown, mode, withCameras);
  const metric = ["metric", "georeferenced"].includes(scene.cameras?.frame ?? "");
  const measuring = useMeasure(scene.view, source.key, metric, scene.ready);
  const clipping = useClip(scene.view, scene.sphere);
  const annotating = useAnnotating(scene.view, notes ?? NO_NOTES);
  const onSurface = (shown.model ?? shown.tiles) !== null && mode !== "cloud" && mode !== "confidence";
  const [chosen, choose] = useChosenCamera(scene, withCameras && !measuring.on && !annotating.placing);
  useEffect(() => {
    if (annotating.placing) measuring.toggle(false); // a press on the model means one thing
  }, [annotating.placing]);
  const measure = (on: boolean) => {
    annotating.place(false);
    measuring.toggle(on);
  };
  const annotate = (on: boolean) => {
    measuring.toggle(false);
    annotating.toggle(on);
  };
  const { view, cameras: known, ready } = scene;
  useEffect(() => {
    if (!view || !ready || !onView) return;
    onView(view, known);
    return () => onView(null, null);
  }, [view, known, ready !== null, onView]);
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
          onKeyDown={(event) => {
            const picks = (measuring.on || annotating.placing) && event.key === "Enter";
            if (picks) (annotating.placing ? annotating : measuring).pickMiddle();
            if (picks || scene.view?.move(event.key)) event.preventDefault();
          }}
        />
        {mode === "confidence" && <ConfidenceLegend />}
        {annotating.on && scene.view && <Markers view={scene.view} annotating={annotating} />}
        {(measuring.on || annotating.placing) && <span className={styles.crosshair} aria-hidden="true" />}
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
      <div className={styles.panels}>
        {measuring.on && <MeasurePanel measuring={measuring} />}
        {annotating.on && <AnnotationPanel annotating={annotating} pickable={onSurface && scene.ready !== null} />}
        {clipping.on && <ClipPanel clipping={clipping} />}
        {cameras === true && !measuring.on && scene.cameras && (
          <CameraPanel cameras={scene.cameras} setId={setId} chosen={chosen} onChoose={choose} />
        )}
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
        {onSurface && (
          <div className={uiStyles.toggles}>
            <ToggleButton className={uiStyles.toggle ?? ""} isSelected={measuring.on} onChange={measure}>
              {t("measure.title")}
            </ToggleButton>
          </div>
        )}
        {notes && mode && (notes.editing ?? notes.items.length > 0) && (
          <div className={uiStyles.toggles}>
            <ToggleButton className={uiStyles.toggle ?? ""} isSelected={annotating.on} onChange={annotate}>
              {t("annotations.title")}
            </ToggleButton>
          </div>
        )}
        {mode && (
          <div className={uiStyles.toggles}>
            <ToggleButton className={uiStyles.toggle ?? ""} isSelected={clipping.on} onChange={clipping.toggle}>
              {t("clip.title")}
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

/** The photograph whose camera the view stands at; pressing a frustum chooses one. */
function useChosenCamera({ view, cameras, sphere }: SceneState, pickable: boolean) {
  const [chosen, setChosen] = useState<number | null>(null);
  const choose = (index: number | null) => {
    setChosen(index);
    const image = index === null ? undefined : cameras?.images[index];
    if (image && sphere) view?.standAt(image.center_world, forwardOf(image), sphere.radius);
  };
  useEffect(() => {
    if (!view || !cameras || !pickable) return;
    const centers = cameras.images.map((image) => image.center_world);
    return view.onTap((at) => {
      const index = view.nearest(centers, at);
      if (index !== null) choose(index);
    });
  }, [view, cameras, pickable, sphere]);
  return [chosen, choose] as const;
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
