import Viewer, { type ViewerProps } from "../viewer/Viewer";
import { useJobNotes } from "./useJobNotes";

/** The model of a job with its annotations, which are made and changed here. */
export default function AnnotatedViewer({ jobId, ...viewer }: ViewerProps & { jobId: string }) {
  return <Viewer {...viewer} notes={useJobNotes(jobId)} />;
}
