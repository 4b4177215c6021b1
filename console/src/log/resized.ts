/** Calls back with an element after it was resized, and at first. In the next frame: a change of layout in the same one would be an error. */
export function whenResized(element: HTMLElement, callback: (element: HTMLElement) => void): () => void {
  let frame = 0;
  const observer = new ResizeObserver(() => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => callback(element));
  });
  observer.observe(element);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}
