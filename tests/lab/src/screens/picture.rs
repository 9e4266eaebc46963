//! A picture as QEMU takes it → the same dots with a palette, at the size of its font.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Filter};

use super::sizes::Size;

/// Colours of a console.
const COLOURS: usize = 16;

/// Rewrites the PNG file `from` as `to`; returns the bytes of that.
pub(super) fn shrink(from: &Path, to: &Path, size: Size) -> Result<u64> {
    let picture = Picture::read(from)
        .with_context(|| format!("cannot read {}", from.display()))?
        .reduced(size.scale)
        .with_context(|| format!("{} has another size", from.display()))?;
    picture.write(to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(to.metadata()?.len())
}

/// Dots as numbers of colours, row by row.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    width: usize,
    dots: Vec<u8>,
    palette: Vec<[u8; 3]>,
}

impl Picture {
    fn read(file: &Path) -> Result<Self> {
        let mut reader = Decoder::new(BufReader::new(File::open(file)?)).read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().context("it is too large")?];
        let frame = reader.next_frame(&mut bytes)?;
        let kind = (frame.color_type, frame.bit_depth);
        ensure!(kind == (ColorType::Rgb, BitDepth::Eight), "it has {kind:?}, not 8-bit RGB");
        Self::of(frame.width as usize, bytes[..frame.buffer_size()].as_chunks().0)
    }

    fn of(width: usize, colours: &[[u8; 3]]) -> Result<Self> {
        let mut numbers = BTreeMap::new();
        colours.iter().for_each(|colour| {
            numbers.insert(*colour, 0);
        });
        ensure!(numbers.len() <= COLOURS, "it has {} colours, not {COLOURS}", numbers.len());
        (0..).zip(numbers.values_mut()).for_each(|(number, place)| *place = number);
        let dots = colours.iter().map(|colour| numbers[colour]).collect();
        Ok(Self { width, dots, palette: numbers.into_keys().collect() })
    }

    /// One dot for each square of `scale` times `scale` equal ones.
    fn reduced(self, scale: usize) -> Result<Self> {
        let (width, height) = (self.width, self.dots.len() / self.width);
        ensure!(width % scale == 0 && height % scale == 0, "{width}x{height} dots");
        let at = |x: usize, y: usize| self.dots[y * width + x];
        let mut dots = Vec::with_capacity(self.dots.len() / (scale * scale));
        for y in (0..height).step_by(scale) {
            for x in (0..width).step_by(scale) {
                let square = (0..scale * scale).map(|i| at(x + i % scale, y + i / scale));
                ensure!(
                    square.clone().all(|dot| dot == at(x, y)),
                    "dots that are smaller, at {x},{y}"
                );
                dots.push(at(x, y));
            }
        }
        Ok(Self { width: width / scale, dots, palette: self.palette })
    }

    fn write(&self, file: &Path) -> Result<()> {
        let height = self.dots.len() / self.width;
        let mut encoder =
            Encoder::new(File::create(file)?, self.width.try_into()?, height.try_into()?);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(BitDepth::Four);
        encoder.set_palette(self.palette.concat());
        encoder.set_compression(Compression::High);
        encoder.set_filter(Filter::NoFilter);
        // Two dots a byte; each row begins with a byte of its own.
        let pair = |dots: &[u8]| dots[0] << 4 | dots.get(1).copied().unwrap_or_default();
        let packed: Vec<u8> =
            self.dots.chunks(self.width).flat_map(|row| row.chunks(2).map(pair)).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&packed)?;
        Ok(writer.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 3] = [0xaa, 0, 0];
    const WHITE: [u8; 3] = [0xff; 3];

    /// As any program reads it.
    fn read_back(file: &Path) -> (u32, Vec<[u8; 3]>) {
        let mut decoder = Decoder::new(BufReader::new(File::open(file).unwrap()));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let width = reader.next_frame(&mut bytes).unwrap().width;
        (width, bytes.as_chunks().0.to_vec())
    }

    #[test]
    fn every_dot_keeps_its_colour() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let dots = [RED, WHITE, RED, WHITE, WHITE, RED];
        Picture::of(3, &dots).unwrap().write(file.path()).unwrap();
        assert_eq!(read_back(file.path()), (3, dots.to_vec()));
    }

    #[test]
    fn a_font_of_twice_the_size_is_halved_and_no_other() {
        let doubled = [RED, RED, WHITE, WHITE, RED, RED, WHITE, WHITE];
        let picture = Picture::of(4, &doubled).unwrap();
        assert_eq!(picture.reduced(2).unwrap(), Picture::of(2, &[RED, WHITE]).unwrap());
        let fine = [RED, WHITE, WHITE, WHITE, RED, RED, WHITE, WHITE];
        assert!(Picture::of(4, &fine).unwrap().reduced(2).is_err());
        assert!(Picture::of(1, &[RED; 3]).unwrap().reduced(2).is_err());
    }
}
