import { useEffect, useRef } from "react";

import type { MaskCanvas } from "./finder";
import styles from "./masks.module.css";

const GROUND = "rgb(190 24 93 / 0.72)"; // over what is left out; no photograph has much of this colour

/** A photograph with what is left out of it under a colour; `revision` changes when the mask was drawn on. */
export function MaskView({ image, mask, label, revision = 0 }: { image: ImageBitmap; mask: MaskCanvas | null; label: string; revision?: number }) {
  const place = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = place.current?.getContext("2d");
    if (!context) return;
    const { width, height } = image;
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, width, height);
    if (mask) {
      context.fillStyle = GROUND;
      context.fillRect(0, 0, width, height);
      context.globalCompositeOperation = "destination-out";
      context.drawImage(mask, 0, 0, width, height);
      context.globalCompositeOperation = "destination-over";
    }
    context.drawImage(image, 0, 0);
  }, [image, mask, revision]);
  return <canvas ref={place} className={styles.view} width={image.width} height={image.height} role="img" aria-label={label} />;
}
