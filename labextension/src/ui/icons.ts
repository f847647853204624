import { LabIcon } from '@jupyterlab/ui-components';

/** Three steps, two of which need the first. */
export const pipelineIcon = new LabIcon({
  name: 'kale-rs:pipeline',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">
  <g class="jp-icon3" fill="#616161">
    <rect x="5.5" y="1" width="5" height="4" rx="1"/>
    <rect x="1" y="11" width="5" height="4" rx="1"/>
    <rect x="10" y="11" width="5" height="4" rx="1"/>
    <path d="M7.5 5v2.5H3V11h1V8.5h8V11h1V7.5H8.5V5z"/>
  </g>
</svg>`
});
