import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { Button, buttonClass, ProblemNotice } from "../../ui";
import { upOf } from "../../viewer/formats";
import type { ModelSource } from "../../viewer/source";
import { hasSceneViewer, sceneViewerLink } from "./sceneViewer";

const GLB = "model.glb";
const LASTS_MS = 60_000;
const ANDROID_BYTES = 64 * 2 ** 20; // the service turns no larger ones

/** What stands the model into the room, on phones that do (AR Quick Look, Scene Viewer); nothing elsewhere. */
export function InRoom({ source, model, locked }: { source: ModelSource; model: Schemas["SharedModel"]; locked: boolean }) {
  const { t } = useTranslation();
  const show = useMutation({
    async mutationFn() {
      const stop = new AbortController().signal;
      const [file, cameras, { usdzOf }] = await Promise.all([source.file(GLB, stop), source.cameras(null, stop), import("./usdz")]);
      const metric = ["metric", "georeferenced"].includes(model.frame ?? "");
      open(await usdzOf(await file.arrayBuffer(), cameras ? upOf(cameras) : [0, 0, 1], metric));
    },
  });
  const file = model.results.find(({ path }) => path === GLB);
  if (file && !locked && file.bytes <= ANDROID_BYTES && hasSceneViewer(navigator.userAgent, location.protocol)) {
    const there = new URL(`/v1/shared/${encodeURIComponent(source.key)}/ar/model.glb`, location.href);
    return (
      <a className={buttonClass()} href={sceneViewerLink(there, model.name, location.href)}>
        {t("shared.inRoom")}
      </a>
    );
  }
  if (!document.createElement("a").relList.supports("ar") || !file) return null;
  return (
    <>
      <Button isDisabled={show.isPending} onPress={() => show.mutate()}>
        {t(show.isPending ? "shared.preparing" : "shared.inRoom")}
      </Button>
      {show.error && <ProblemNotice error={show.error} />}
    </>
  );
}

/** Quick Look opens what a link with rel="ar" around a picture leads to. */
function open(content: Blob): void {
  const link = document.createElement("a");
  link.rel = "ar";
  link.href = URL.createObjectURL(content);
  link.download = "model.usdz";
  link.append(document.createElement("img"));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), LASTS_MS);
}
