// Streams frames into an accelerator, back to back, and compares every element that it gives.
//
// What the memories hold, and how many elements a beat has, is in macros that stand above this
// text; how long to run, and how the streams stall, comes from plusargs. Lines that it prints:
//
//   frame F: in FIRST LAST out END          cycles of a frame's beats, when its last one is out
//   at CYCLE: F frames                      every 16384 cycles
//   mismatch: ...                           the first few elements, TLASTs and flags that are wrong
//   hang: ...                               nothing was transferred for too long
//   summary: key=value ...                  at the end, whatever came of it
module harness(input clk);
  localparam BEAT_FILE_WORDS = 64;
  localparam SHOWN = 8;
  localparam SETTLE = 64;

  reg [`IN_WIDTH-1:0] images [0:`IMAGE_WORDS-1];
  reg [`OUT_WIDTH-1:0] expected [0:`EXPECTED_WORDS-1];
  // Beats that the first frames have, where these are not all that they should have.
  reg [31:0] lengths [0:BEAT_FILE_WORDS-1];

  reg [31:0] frames, stored, patience, seed, in_density, out_density, odd_frames;
  initial begin
    frames = 1;
    stored = 1;
    patience = 100000;
    seed = 1;
    in_density = 0;
    out_density = 0;
    odd_frames = 0;
    if ($value$plusargs("frames=%d", frames)) begin end
    if ($value$plusargs("stored=%d", stored)) begin end
    if ($value$plusargs("patience=%d", patience)) begin end
    if ($value$plusargs("seed=%d", seed)) begin end
    if ($value$plusargs("in_density=%d", in_density)) begin end
    if ($value$plusargs("out_density=%d", out_density)) begin end
    if ($value$plusargs("odd_frames=%d", odd_frames)) begin end
    $readmemh("images.mem", images, 0, stored * `IN_BEATS - 1);
    $readmemh("expected.mem", expected, 0, stored * `OUT_BEATS - 1);
    if (odd_frames != 0) $readmemh("lengths.mem", lengths, 0, odd_frames - 1);
  end

  reg rst = 1;
  reg [31:0] cycle = 0;
  always @(posedge clk) begin
    cycle <= cycle + 1;
    rst <= cycle < 4;
    if (cycle[13:0] == 14'h3fff) $display("at %0d: %0d frames", cycle, out_frame);
  end

  // Stalls: some at first; then for 256 cycles none, some or almost all, in random order.
  function [31:0] next_random(input [31:0] state);
    reg [31:0] a, b;
    begin
      a = state ^ (state << 13);
      b = a ^ (a >> 17);
      next_random = b ^ (b << 5);
    end
  endfunction

  function [8:0] density_of(input [1:0] phase, input [31:0] density);
    density_of = density == 0 || phase == 0 ? 9'd0 : phase == 3 ? 9'd250 : density[8:0];
  endfunction

  reg [31:0] random = 1;
  reg [8:0] in_level = 0;
  reg [8:0] out_level = 0;
  wire in_stall = {1'b0, random[7:0]} < in_level;
  wire out_stall = {1'b0, random[23:16]} < out_level;
  always @(posedge clk)
    if (rst) begin
      random <= seed * 32'd2 + 32'd1;
      in_level <= in_density[8:0];
      out_level <= out_density[8:0];
    end else if (in_density != 0 || out_density != 0) begin
      random <= next_random(random);
      if (cycle[7:0] == 0) begin
        in_level <= density_of(random[9:8], in_density);
        out_level <= density_of(random[11:10], out_density);
      end
    end

  // The next beat to offer, and the one on offer.
  reg [31:0] next_frame = 0;
  reg [31:0] next_image = 0;
  reg [31:0] next_beat = 0;
  reg [31:0] next_base = 0;
  wire [31:0] next_length =
    next_frame < odd_frames ? lengths[next_frame[5:0]] : `IN_BEATS;
  wire [31:0] next_address =
    next_base + (next_beat < `IN_BEATS ? next_beat : next_beat % `IN_BEATS);
  wire next_last = next_beat + 1 == next_length;

  reg [`IN_WIDTH-1:0] s_data = 0;
  reg s_valid = 0;
  reg s_last = 0;
  reg s_early = 0;
  reg s_late = 0;
  reg [31:0] s_frame = 0;
  reg s_first = 0;
  wire s_ready;
  wire in_fire = s_valid & s_ready;
  // When the frames now inside came in, by the low bits of their number.
  reg [31:0] first_at [0:255];
  reg [31:0] last_at [0:255];
  reg short_sent = 0;
  reg long_sent = 0;

  always @(posedge clk)
    if (!rst) begin
      if (in_fire) begin
        if (s_first) first_at[s_frame[7:0]] <= cycle;
        if (s_last) last_at[s_frame[7:0]] <= cycle;
        if (s_early) short_sent <= 1;
        if (s_late) long_sent <= 1;
      end
      if (in_fire | ~s_valid) begin
        s_valid <= next_frame < frames && !in_stall;
        if (next_frame < frames && !in_stall) begin
          s_data <= images[next_address];
          s_first <= next_beat == 0;
          s_last <= next_last;
          s_early <= next_last && next_beat < `IN_BEATS - 1;
          s_late <= !next_last && next_beat >= `IN_BEATS - 1;
          s_frame <= next_frame;
          next_beat <= next_last ? 0 : next_beat + 1;
          if (next_last) begin
            next_frame <= next_frame + 1;
            next_image <= next_image + 1 == stored ? 0 : next_image + 1;
            next_base <= next_image + 1 == stored ? 0 : next_base + `IN_BEATS;
          end
        end
      end
    end

  wire [`OUT_WIDTH-1:0] m_data;
  wire m_valid, m_last, frame_short, frame_long;
  reg m_ready = 0;
  wire out_fire = m_valid & m_ready;

  `TOP dut(
    .clk(clk),
    .rst(rst),
    .s_axis_tdata(s_data),
    .s_axis_tvalid(s_valid),
    .s_axis_tready(s_ready),
    .s_axis_tlast(s_last),
    .m_axis_tdata(m_data),
    .m_axis_tvalid(m_valid),
    .m_axis_tready(m_ready),
    .m_axis_tlast(m_last),
    .frame_short(frame_short),
    .frame_long(frame_long)
  );

  // The beat that is due.
  reg [31:0] out_frame = 0;
  reg [31:0] out_image = 0;
  reg [31:0] out_beat = 0;
  reg [31:0] out_base = 0;
  wire [`OUT_WIDTH-1:0] want = expected[out_base + out_beat];
  wire due_last = out_beat == `OUT_BEATS - 1;
  wire ignored = out_frame < odd_frames && lengths[out_frame[5:0]] != `IN_BEATS;

  reg [31:0] compared = 0;
  reg [31:0] mismatches = 0;
  reg [31:0] last_errors = 0;
  reg [31:0] flag_errors = 0;
  reg [31:0] unstable = 0;
  reg [31:0] surplus = 0;
  reg [31:0] idle = 0;
  reg [31:0] settled = 0;
  reg hung = 0;

  task compare_lanes;
    integer lane;
    reg [`ELEMENT_BITS-1:0] one, other;
    begin
      for (lane = 0; lane < `LANES; lane = lane + 1) begin
        one = m_data[lane * `ELEMENT_BITS +: `ELEMENT_BITS];
        other = want[lane * `ELEMENT_BITS +: `ELEMENT_BITS];
        if (one !== other) begin
          if (mismatches < SHOWN)
            $display("mismatch: frame %0d beat %0d lane %0d: %h, not %h",
                     out_frame, out_beat, lane, one, other);
          mismatches = mismatches + 1;
        end
      end
      if ((m_data ^ want) >> (`LANES * `ELEMENT_BITS) !== 0) begin
        if (mismatches < SHOWN)
          $display("mismatch: frame %0d beat %0d padding: %h, not 0",
                   out_frame, out_beat, m_data >> (`LANES * `ELEMENT_BITS));
        mismatches = mismatches + 1;
      end
    end
  endtask

  always @(posedge clk)
    if (!rst && out_fire) begin
      if (out_frame >= frames) surplus = surplus + 1;
      else begin
        if (!ignored) begin
          compared = compared + `LANES;
          if (m_data !== want) compare_lanes;
        end
        if (m_last !== due_last) begin
          if (last_errors < SHOWN)
            $display("mismatch: frame %0d beat %0d of %0d: TLAST is %b",
                     out_frame, out_beat, `OUT_BEATS, m_last);
          last_errors = last_errors + 1;
        end
        out_beat <= due_last ? 0 : out_beat + 1;
        if (due_last) begin
          $display("frame %0d: in %0d %0d out %0d", out_frame,
                   first_at[out_frame[7:0]], last_at[out_frame[7:0]], cycle);
          out_frame <= out_frame + 1;
          out_image <= out_image + 1 == stored ? 0 : out_image + 1;
          out_base <= out_image + 1 == stored ? 0 : out_base + `OUT_BEATS;
        end
      end
    end

  // A beat that waits must not change; a flag must not rise before there is a reason.
  reg waiting = 0;
  reg [`OUT_WIDTH:0] waited = 0;
  always @(posedge clk) begin
    m_ready <= !rst && !out_stall;
    waiting <= !rst && m_valid && !m_ready;
    waited <= {m_last, m_data};
    if (waiting && (!m_valid || {m_last, m_data} !== waited)) begin
      if (unstable < SHOWN)
        $display("mismatch: frame %0d beat %0d changed while it waited", out_frame, out_beat);
      unstable = unstable + 1;
    end
    if (!rst && ((frame_short !== 0 && !short_sent) || (frame_long !== 0 && !long_sent))) begin
      if (flag_errors < SHOWN)
        $display("mismatch: at %0d frame_short is %b, frame_long is %b",
                 cycle, frame_short, frame_long);
      flag_errors = flag_errors + 1;
    end
  end

  task finish;
    begin
      if (frame_short !== short_sent || frame_long !== long_sent) begin
        $display("mismatch: at the end frame_short is %b, not %b, and frame_long is %b, not %b",
                 frame_short, short_sent, frame_long, long_sent);
        flag_errors = flag_errors + 1;
      end
      $display("summary: frames=%0d compared=%0d mismatches=%0d last_errors=%0d flag_errors=%0d unstable=%0d surplus=%0d hung=%0d cycles=%0d",
               out_frame, compared, mismatches, last_errors, flag_errors, unstable, surplus,
               hung, cycle);
      $finish(0);
    end
  endtask

  always @(posedge clk) begin
    idle <= rst || in_fire || out_fire ? 0 : idle + 1;
    if (out_frame >= frames) settled <= settled + 1;
    if (settled == SETTLE) finish;
    else if (out_frame < frames && idle >= patience) begin
      hung = 1;
      $display("hang: nothing transferred for %0d cycles; sending frame %0d beat %0d, waiting for frame %0d beat %0d",
               idle, s_frame, next_beat, out_frame, out_beat);
      finish;
    end
  end
endmodule
